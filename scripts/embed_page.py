"""An HTML page as C: its bytes, and the policy that lets only its own script
and style run (Content Security Policy 3, hashes of inline elements).

    python embed_page.py docs.html docs_page.h
"""

import base64
import hashlib
import re
import sys


def hashed(page: str, tag: str) -> str:
    """'sha256-…' of the page's one element of that name."""
    (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def main(source: str, target: str) -> None:
    with open(source, encoding="utf-8") as file:
        page = file.read()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {hashed(page, 'script')}",
            f"style-src {hashed(page, 'style')}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    data = page.encode()
    lines = [
        ", ".join(str(byte) for byte in data[at : at + 20])
        for at in range(0, len(data), 20)
    ]
    with open(target, "w", encoding="utf-8") as file:
        file.write("/* Made of docs.html by scripts/embed_page.py. */\n")
        file.write(f'#define INLAY_DOCS_POLICY "{policy}"\n')
        file.write("static const char inlay_docs_page[] = {\n")
        file.write(",\n".join(lines))
        file.write("};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
