// Functions of C++ with C linkage, and what C has no form for.
#include <inlay.h>
#include <string>
#include <vector>

struct plain {
    int a;
    double b;
};
struct with_functions {
    int a;
    int get() const { return a; }
};
struct derived : plain {
    int c;
};
struct with_virtual {
    int a;
    virtual int f() { return a; }
};
struct with_destructor {
    int a;
    ~with_destructor() {}
};
struct with_copy {
    int a;
    with_copy(const with_copy &from) : a(from.a) {}
};
struct with_member {
    with_destructor d;
};
struct defaulted {
    int a;
    defaulted() = default;
    defaulted(const defaulted &) = default;
    ~defaulted() = default;
};
template <class T> struct generic {
    T value;
};
enum class color : uint8_t { red, green = 200 };
namespace inner {
struct nested {
    int a;
};
extern "C" int ok_namespace(nested v)
{
    return v.a;
}
} // namespace inner
INLAY_SLICE(plains, const plain);
INLAY_OPTIONAL(maybe, int64_t);
INLAY_SLICE(lone, plain);

struct thing;

// clang-format off
extern "C" {
/// Adds.
int64_t ok_add(int64_t a, int64_t b) { return a + b; }
plain ok_plain(plain v) { return v; }
int ok_functions(with_functions v) { return v.get(); }
int ok_defaulted(defaulted v) { return v.a; }
color ok_color(color v) { return v; }
bool ok_bool(bool v) { return v; }
const char *ok_text(const char *v) { return v; }
inlay_str ok_str(inlay_str v) { return v; }
plains ok_plains(plains v) { return v; }
maybe ok_maybe(maybe v) { return v; }
const plain *ok_pointer(const plain *v) { return v; }
int64_t ok_callback(int64_t (*v)(int64_t, void *), void *data) { return v(1, data); }
int no_derived(derived v) { return v.c; }
int no_virtual(with_virtual v) { return v.f(); }
int no_destructor(with_destructor v) { return v.a; }
int no_copy(with_copy v) { return v.a; }
int no_member(with_member v) { return v.d.a; }
int no_reference(int &v) { return v; }
int no_const_reference(const plain &v) { return v.a; }
int no_moved(plain &&v) { return v.a; }
int no_generic(generic<int> v) { return v.value; }
int no_string(std::string v) { return (int)v.size(); }
int no_member_pointer(int plain::*v) { return v != nullptr; }
thing *thing_new(int n);
void thing_free(thing *self);
int thing_size(const thing *self);
}
struct thing { std::vector<int> values; };
thing *thing_new(int n) { return new thing{std::vector<int>((size_t)n)}; }
void thing_free(thing *self) { delete self; }
int thing_size(const thing *self) { return (int)self->values.size(); }
lone no_linkage(int v) { return {nullptr, (size_t)v}; }
int ok_add(int v) { return v; }
