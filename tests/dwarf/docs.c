// clang-format off
#include <inlay.h>
/// one line
int d1(int a) { return a; }
/**
 * block
 *   indented
 *
 * end
 */
int d2(int a) { return a; }
// two
// lines
int d3(int a) { return a; }
// not mine

int d4(int a) { return a; }
/// typed
int64_t
d5(int64_t a) { return a; }
/** attr */
__attribute__((noinline))
int d6(int a) { return a; }
int x; /* trailing */
int d7(int a) { return a + x; }
#define EXPORT __attribute__((visibility("default")))
/* macro */
EXPORT int d8(int a) { return a; }
/// of a variable
int d9b;
int d9(int a) { return a + d9b; }
/// split
int d10(int a,
        int b) { return a + b; }
/******************
 * boxed          *
 ******************/
int d11(int a) { return a; }
/* one */ /* two */
int d12(int a) { return a; }
	/* tab — ünïcode */	
int d13(int a) { return a; }
/* open
   end */
int d14(int a) { return a; }
