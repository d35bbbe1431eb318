// The same of C++: classes, namespaces, extern "C" or not.
#include <inlay.h>

namespace shop
{
class Store
{
  public:
    int64_t count = 0;
    virtual ~Store() = default;
};
} // namespace shop

extern "C" shop::Store *open_store(void)
{
    return new shop::Store;
}

static void close_store(shop::Store *store)
{
    delete store;
}
INLAY_STATE(open_store, close_store);

extern "C" int64_t count(const shop::Store *store)
{
    return store->count;
}
INLAY_GET("/count", count);
