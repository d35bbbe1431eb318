"""A Django project in one file."""

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="test",
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()

from django.core.handlers.asgi import ASGIHandler  # noqa: E402


async def hello(request):
    return HttpResponse("hello", headers={"X-Kind": "async"})


def sync(request):
    return JsonResponse({"method": request.method, "size": len(request.body)})


async def stream(request):
    async def parts():
        for i in range(3):
            yield f"part{i};"

    return StreamingHttpResponse(parts())


def fail(request):
    raise ValueError("MARK django")


urlpatterns = [
    path("hello", hello),
    path("sync", sync),
    path("stream", stream),
    path("fail", fail),
]

app = ASGIHandler()
