/* Loaded into the server (LD_PRELOAD): lets calls of the C library fail that concern files below one directory, as if the disk had.
 *
 * FAULTS_DIRECTORY is that directory. FAULTS_CONTROL is a file of words of 64 bits that both sides have in memory: which call is to
 * fail, with which errno, from which to which time, how often it has, and how often each was made so far. A call that fails is not
 * made, but for close, which is not looked at. What a program asks of the kernel without the C library is not seen. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* In the order of `CALLS` in storage_faults.rs. */
enum call { OPEN, READ, PREAD, WRITE, PWRITE, FSYNC, FDATASYNC, FTRUNCATE, RENAME, UNLINK, MKDIR, MMAP, STAT, LOCK, READDIR, CALLS };

struct control {
    _Atomic uint64_t call, error, first, last, failed, made[CALLS];
};

enum { DESCRIPTORS = 65536 };
static struct control *control;
static const char *directory;
static size_t directory_len;
static _Atomic unsigned char is_ours[DESCRIPTORS];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    directory = getenv("FAULTS_DIRECTORY");
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = path && directory ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    directory_len = strlen(directory);
    void *mapped = ((void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap"))(
        NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

static int is_below(const char *path) {
    return control && path && !strncmp(path, directory, directory_len) && (path[directory_len] == '/' || !path[directory_len]);
}

static int ours(int fd) { return control && fd >= 0 && fd < DESCRIPTORS && is_ours[fd]; }

static int at(int dir, const char *path) { return is_below(path) || (path && path[0] != '/' && ours(dir)); }

static int note(int fd, int below) {
    if (fd >= 0 && fd < DESCRIPTORS) is_ours[fd] = (unsigned char)below;
    return fd;
}

/* Whether this call, which concerns our directory, is to fail now. */
static int fails(enum call call) {
    uint64_t number = atomic_fetch_add(&control->made[call], 1) + 1;
    if (control->call != (uint64_t)call || number < control->first || number > control->last) return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = (int)control->error;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(more, unsigned) : 0; }

#define OPENS(name)                                              \
    int name(const char *path, int flags, ...) {                 \
        REAL(name);                                              \
        va_list more;                                            \
        va_start(more, flags);                                   \
        mode_t mode = mode_of(flags, more);                      \
        va_end(more);                                            \
        if (is_below(path) && fails(OPEN)) return -1;            \
        return note(real(path, flags, mode), is_below(path));    \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                           \
    int name(int dir, const char *path, int flags, ...) {        \
        REAL(name);                                              \
        va_list more;                                            \
        va_start(more, flags);                                   \
        mode_t mode = mode_of(flags, more);                      \
        va_end(more);                                            \
        int below = at(dir, path);                               \
        if (below && fails(OPEN)) return -1;                     \
        return note(real(dir, path, flags, mode), below);        \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    REAL(close);
    note(fd, 0);
    return real(fd);
}

#define OF_FD(type, call, name, parameters, arguments)           \
    type name parameters {                                       \
        REAL(name);                                              \
        if (ours(fd) && fails(call)) return -1;                  \
        return real arguments;                                   \
    }
OF_FD(ssize_t, READ, read, (int fd, void *to, size_t count), (fd, to, count))
OF_FD(ssize_t, PREAD, pread, (int fd, void *to, size_t count, off_t from), (fd, to, count, from))
OF_FD(ssize_t, PREAD, pread64, (int fd, void *to, size_t count, off64_t from), (fd, to, count, from))
OF_FD(ssize_t, WRITE, write, (int fd, const void *from, size_t count), (fd, from, count))
OF_FD(ssize_t, WRITE, writev, (int fd, const struct iovec *from, int count), (fd, from, count))
OF_FD(ssize_t, PWRITE, pwrite, (int fd, const void *from, size_t count, off_t to), (fd, from, count, to))
OF_FD(ssize_t, PWRITE, pwrite64, (int fd, const void *from, size_t count, off64_t to), (fd, from, count, to))
OF_FD(int, FSYNC, fsync, (int fd), (fd))
OF_FD(int, FDATASYNC, fdatasync, (int fd), (fd))
OF_FD(int, FTRUNCATE, ftruncate, (int fd, off_t len), (fd, len))
OF_FD(int, FTRUNCATE, ftruncate64, (int fd, off64_t len), (fd, len))
OF_FD(int, STAT, fstat, (int fd, struct stat *to), (fd, to))
OF_FD(int, STAT, fstat64, (int fd, struct stat64 *to), (fd, to))
OF_FD(int, LOCK, flock, (int fd, int operation), (fd, operation))

#define OF_PATH(call, name, parameters, arguments)               \
    int name parameters {                                        \
        REAL(name);                                              \
        if (is_below(path) && fails(call)) return -1;            \
        return real arguments;                                   \
    }
OF_PATH(RENAME, rename, (const char *path, const char *to), (path, to))
OF_PATH(UNLINK, unlink, (const char *path), (path))
OF_PATH(MKDIR, mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(STAT, stat, (const char *path, struct stat *to), (path, to))
OF_PATH(STAT, stat64, (const char *path, struct stat64 *to), (path, to))
OF_PATH(STAT, lstat, (const char *path, struct stat *to), (path, to))
OF_PATH(STAT, lstat64, (const char *path, struct stat64 *to), (path, to))

int unlinkat(int dir, const char *path, int flags) {
    REAL(unlinkat);
    if (at(dir, path) && fails(UNLINK)) return -1;
    return real(dir, path, flags);
}

int statx(int dir, const char *path, int flags, unsigned mask, struct statx *to) {
    REAL(statx);
    if (((!path[0] && ours(dir)) || at(dir, path)) && fails(STAT)) return -1;
    return real(dir, path, flags, mask, to);
}

#define MAPS(name, offset_type)                                                                   \
    void *name(void *address, size_t len, int protection, int flags, int fd, offset_type from) {  \
        REAL(name);                                                                               \
        if (ours(fd) && fails(MMAP)) return MAP_FAILED;                                           \
        return real(address, len, protection, flags, fd, from);                                   \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

#define CONTROLS(name)                                                                            \
    int name(int fd, int command, ...) {                                                          \
        REAL(name);                                                                               \
        va_list more;                                                                             \
        va_start(more, command);                                                                  \
        void *argument = va_arg(more, void *);                                                    \
        va_end(more);                                                                             \
        int copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                            \
        int locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK;          \
        /* Nobody can be refused to let go. */                                                    \
        if (locks && ((struct flock *)argument)->l_type != F_UNLCK && ours(fd) && fails(LOCK)) return -1; \
        int result = real(fd, command, argument);                                                 \
        return copies ? note(result, ours(fd)) : result;                                          \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)

DIR *opendir(const char *path) {
    REAL(opendir);
    if (is_below(path) && fails(OPEN)) return NULL;
    DIR *dir = real(path);
    if (dir) note(dirfd(dir), is_below(path));
    return dir;
}

struct dirent64 *readdir64(DIR *dir) {
    REAL(readdir64);
    if (ours(dirfd(dir)) && fails(READDIR)) return NULL;
    return real(dir);
}

int closedir(DIR *dir) {
    REAL(closedir);
    note(dirfd(dir), 0);
    return real(dir);
}
