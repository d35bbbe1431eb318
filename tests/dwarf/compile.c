#include "dwarf/compile.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

static int run(const char *const argv[])
{
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ))
        return -1;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

void compile_dir_init(struct compile_dir *dir)
{
    snprintf(dir->path, sizeof(dir->path), "/tmp/inlay-test-XXXXXX");
    dir->count = 0;
    assert_non_null(mkdtemp(dir->path));
}

void compile_dir_deinit(struct compile_dir *dir)
{
    const char *const argv[] = {"rm", "-rf", dir->path, NULL};

    assert_int_equal(run(argv), 0);
}

bool compile_has(const char *cc)
{
    char command[200];
    const char *const argv[] = {"sh", "-c", command, NULL};

    snprintf(command, sizeof(command), "command -v %s >/dev/null", cc);
    return run(argv) == 0;
}

char *compile_with(struct compile_dir *dir,
                   const char *command,
                   const char *source)
{
    char line[2000], object[100];
    const char *const argv[] = {"sh", "-c", line, NULL};

    snprintf(object, sizeof(object), "%s/m%d.so", dir->path, dir->count++);
    int len = snprintf(line, sizeof(line), "%s %s%s%s -o %s", command,
                       *source == '/' ? "" : TEST_DWARF,
                       *source == '/' ? "" : "/", source, object);
    assert_true(len > 0 && (size_t)len < sizeof(line));
    if (run(argv) != 0)
        fail_msg("failed: %s", line);
    return strdup(object);
}

char *compile(struct compile_dir *dir,
              const char *cc,
              const char *flags,
              const char *source)
{
    char command[1500];
    const char *folding = strstr(cc, "gcc") ? "-fno-ipa-icf" : "";
    int len = snprintf(
        command, sizeof(command),
        "%s -std=gnu11 -O2 -g -fPIC -shared %s -fno-omit-frame-pointer "
        "-fno-semantic-interposition -fstack-clash-protection -Wl,-Bsymbolic "
        "-w -Wno-psabi -I%s %s",
        cc, folding, TEST_INCLUDE, flags);

    assert_true(len > 0 && (size_t)len < sizeof(command));
    return compile_with(dir, command, source);
}

char *compile_text(struct compile_dir *dir,
                   const char *cc,
                   const char *flags,
                   const char *name,
                   const char *text)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return compile(dir, cc, flags, path);
}
