/* Every type that converts, and every one that does not. */
#include <complex.h>
#include <inlay.h>

struct user {
    int64_t id;
    inlay_str name;
    double score;
};
INLAY_SLICE(users, struct user);
INLAY_SLICE(numbers, const int64_t);
INLAY_SLICE(names, inlay_str);
INLAY_SLICE(rows, numbers);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_user, struct user);
INLAY_OPTIONAL(maybe_maybe, maybe_int);
INLAY_SLICE(chars, char);
typedef struct {
    inlay_len count;
    float *items;
} backwards;
typedef struct {
    void *ptr;
    inlay_len len;
} voids;
typedef struct {
    int *ptr;
    inlay_len len;
    int more;
} three;
typedef struct tree {
    int32_t value;
    struct {
        struct tree *ptr;
        inlay_len len;
    } kids;
} tree;
typedef struct {
    struct {
        struct {
            int8_t x;
        } inner;
    } middle;
} deep;
typedef int64_t user_id;
typedef deep alias_of_deep;
typedef volatile const user_id odd_id;

union value {
    int i;
    double d;
};
struct holder {
    int a;
    struct {
        union value v;
    } in;
};
struct bits {
    int a : 3;
    int b;
};
struct flexible {
    int32_t n;
    double v[];
};
struct pointer_to_function {
    int (*f)(int);
};
struct anonymous {
    int a;
    struct {
        int b;
    };
};
struct empty {
};
struct __attribute__((packed)) packed {
    int8_t a;
    int32_t b;
};
struct __attribute__((packed)) packed_end {
    int32_t a;
    int8_t b;
};
struct aligned16 {
    _Alignas(16) int64_t a;
};
struct aligned64 {
    _Alignas(64) int64_t a;
};
struct opaque;
INLAY_SLICE(opaques, struct opaque);
typedef int vector __attribute__((vector_size(16)));
typedef int32_t loose __attribute__((aligned(16)));

// clang-format off
bool ok_bool(bool v) { return v; }
int8_t ok_i8(int8_t v) { return v; }
int16_t ok_i16(int16_t v) { return v; }
int32_t ok_i32(int32_t v) { return v; }
int64_t ok_i64(int64_t v) { return v; }
uint8_t ok_u8(uint8_t v) { return v; }
uint16_t ok_u16(uint16_t v) { return v; }
uint32_t ok_u32(uint32_t v) { return v; }
uint64_t ok_u64(uint64_t v) { return v; }
short ok_short(short v) { return v; }
unsigned ok_unsigned(unsigned v) { return v; }
long ok_long(long v) { return v; }
unsigned long long ok_ull(unsigned long long v) { return v; }
size_t ok_size(size_t v) { return v; }
signed char ok_schar(signed char v) { return v; }
unsigned char ok_uchar(unsigned char v) { return v; }
float ok_float(float v) { return v; }
double ok_double(double v) { return v; }
const char *ok_cstr(const char *v) { return v; }
inlay_str ok_str(inlay_str v) { return v; }
struct user ok_user(struct user v) { return v; }
users ok_users(users v) { return v; }
numbers ok_numbers(numbers v) { return v; }
names ok_names(names v) { return v; }
rows ok_rows(rows v) { return v; }
backwards ok_backwards(backwards v) { return v; }
maybe_int ok_maybe_int(maybe_int v) { return v; }
maybe_user ok_maybe_user(maybe_user v) { return v; }
tree ok_tree(tree v) { return v; }
deep ok_deep(deep v) { return v; }
alias_of_deep ok_alias(alias_of_deep v) { return v; }
user_id ok_id(user_id v) { return v; }
int64_t ok_odd(odd_id v) { return v; }
struct aligned16 ok_aligned(struct aligned16 v) { return v; }
void ok_void(const int v) { (void)v; }
int64_t ok_none(void) { return 1; }

int no_union(union value v) { return v.i; }
int no_field(struct holder v) { return v.a; }
int no_bits(struct bits v) { return v.b; }
int no_flexible(struct flexible v) { return v.n; }
int no_function(struct pointer_to_function v) { return !v.f; }
int no_anonymous(struct anonymous v) { return v.b; }
int no_empty(struct empty v) { return 0; }
int no_packed(struct packed v) { return v.b; }
int no_packed_end(struct packed_end v) { return v.b; }
int no_aligned(struct aligned64 v) { return (int)v.a; }
int no_text(char *v) { return !v; }
int no_pointer(int *v) { return *v; }
int no_void(void *v) { return !v; }
int no_int128(__int128 v) { return (int)v; }
int no_long_double(long double v) { return (int)v; }
int no_complex(double complex v) { return (int)v; }
int no_atomic(_Atomic int v) { return v; }
int no_vector(vector v) { return v[0]; }
int no_loose(loose v) { return v; }
int no_chars(chars v) { return (int)v.len; }
int no_voids(voids v) { return (int)v.len; }
int no_opaque(opaques v) { return (int)v.len; }
int no_three(three v) { return (int)v.len; }
int no_maybe_maybe(maybe_maybe v) { return v.has; }
union value no_result(void) { return (union value){0}; }
int no_prototype() { return 1; }
int no_old_style(v) int v; { return v; }
int no_variadic(int v, ...) { return v; }
int no_name(int v, int) { return v; }

static int hidden(int v) { return v; }
__attribute__((visibility("hidden"))) int invisible(int v)
{
    return hidden(v);
}
static inline int inlined(int v) { return v; }
int alias_a(int v) { return invisible(v) + inlined(v); }
int alias_b(int v) __attribute__((alias("alias_a")));
