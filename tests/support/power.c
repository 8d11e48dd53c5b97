/* Loaded into the server (LD_PRELOAD): notes what a disk without power would forget.
 *
 * Everything below POWER_DIRECTORY is looked at. Before a file or a name is changed, POWER_JOURNAL/log is told what was there and what comes
 * (records of power.rs); what is unlinked or replaced gets a second name in POWER_JOURNAL. A flush notes which file it was for, and since
 * when; nothing is flushed in truth, so that it takes as long as POWER_FLUSH_MICROS says. With POWER_LIES flushes are forgotten, as by a
 * disk that says to have written what it has not. What is written into memory that a file is mapped to is not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* In the order of `Kind` in power.rs. */
enum kind { WRITE, RESIZE, SYNC, CREATE, RENAME, UNLINK };

struct record {
    uint64_t kind, inode, offset, size, saved, path_len, to_len, old_len, new_len;
};

enum { DESCRIPTORS = 65536 };
static const char *directory, *journal;
static size_t directory_len;
static int log_fd = -1;
static useconds_t flush_micros;
static int lies;
static uint64_t records, saves;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned char is_ours[DESCRIPTORS];

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *micros = getenv("POWER_FLUSH_MICROS");
    char path[4096];
    directory = getenv("POWER_DIRECTORY");
    journal = getenv("POWER_JOURNAL");
    if (!directory || !journal) return;
    directory_len = strlen(directory);
    flush_micros = micros ? (useconds_t)atoi(micros) : 0;
    lies = getenv("POWER_LIES") != NULL;
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    snprintf(path, sizeof path, "%s/log", journal);
    log_fd = real_open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
}

static int is_below(const char *path) {
    return log_fd >= 0 && path && !strncmp(path, directory, directory_len) && path[directory_len] == '/';
}

/* SQLite makes its index of the log anew. */
static int is_index(const char *path) {
    size_t len = strlen(path);
    return len > 4 && !strcmp(path + len - 4, "-shm");
}

static int ours(int fd) { return log_fd >= 0 && fd >= 0 && fd < DESCRIPTORS && is_ours[fd]; }

static int note(int fd, int below) {
    if (fd >= 0 && fd < DESCRIPTORS) is_ours[fd] = (unsigned char)below;
    return fd;
}

/* The log goes before what it tells. `order` is held. */
static void tell(struct record record, const char *path, const char *to, const void *old, const void *new) {
    record.path_len = path ? strlen(path) : 0;
    record.to_len = to ? strlen(to) : 0;
    struct iovec all[] = {
        {&record, sizeof record}, {(void *)path, record.path_len}, {(void *)to, record.to_len}, {(void *)old, record.old_len}, {(void *)new, record.new_len},
    };
    ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
    ssize_t len = (ssize_t)(sizeof record + record.path_len + record.to_len + record.old_len + record.new_len);
    if (real(log_fd, all, 5) != len) abort();
    records++;
}

static struct stat stat_of(int fd) {
    struct stat stat;
    if (fstat(fd, &stat)) abort();
    return stat;
}

/* What is in a file, whatever it was opened for. */
static void *read_old(int fd, off_t from, size_t len) {
    char path[64];
    if (!len) return NULL;
    void *old = malloc(len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int readable = real_open(path, O_RDONLY | O_CLOEXEC);
    ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
    int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
    if (!old || readable < 0 || real(readable, old, len, from) != (ssize_t)len) abort();
    real_close(readable);
    return old;
}

static void tell_write(int fd, off_t at, const void *new, size_t len) {
    struct stat stat = stat_of(fd);
    size_t there = at < stat.st_size ? (size_t)(stat.st_size - at) : 0;
    size_t old_len = there < len ? there : len;
    void *old = read_old(fd, at, old_len);
    tell((struct record){.kind = WRITE, .inode = stat.st_ino, .offset = (uint64_t)at, .size = (uint64_t)stat.st_size, .old_len = old_len, .new_len = len},
         NULL, NULL, old, new);
    free(old);
}

static void tell_resize(int fd, off_t len) {
    struct stat stat = stat_of(fd);
    size_t old_len = len < stat.st_size ? (size_t)(stat.st_size - len) : 0;
    void *old = read_old(fd, len, old_len);
    tell((struct record){.kind = RESIZE, .inode = stat.st_ino, .offset = (uint64_t)len, .size = (uint64_t)stat.st_size, .old_len = old_len}, NULL, NULL, old, NULL);
    free(old);
}

/* A second name for what loses its last one; 0 where there is nothing. */
static uint64_t save(const char *path) {
    char saved[4096];
    struct stat stat;
    if (lstat(path, &stat) || !S_ISREG(stat.st_mode)) return 0;
    snprintf(saved, sizeof saved, "%s/%llu", journal, (unsigned long long)++saves);
    if (link(path, saved)) abort();
    return saves;
}

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(more, unsigned) : 0; }

#define OPENS(name)                                                                                                \
    int name(const char *path, int flags, ...) {                                                                   \
        REAL(name);                                                                                                \
        va_list more;                                                                                              \
        va_start(more, flags);                                                                                     \
        mode_t mode = mode_of(flags, more);                                                                        \
        va_end(more);                                                                                              \
        if (!is_below(path) || is_index(path)) return note(real(path, flags, mode), 0);                            \
        pthread_mutex_lock(&order);                                                                                \
        struct stat before;                                                                                        \
        int is_new = flags & O_CREAT && lstat(path, &before);                                                      \
        int fd = real(path, flags & ~O_TRUNC, mode);                                                               \
        int error = errno;                                                                                         \
        if (fd >= 0 && is_new) tell((struct record){.kind = CREATE, .inode = stat_of(fd).st_ino}, path, NULL, NULL, NULL); \
        if (fd >= 0 && flags & O_TRUNC && stat_of(fd).st_size) {                                                   \
            tell_resize(fd, 0);                                                                                    \
            int (*real_resize)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");                                        \
            if (real_resize(fd, 0)) abort();                                                                       \
        }                                                                                                          \
        pthread_mutex_unlock(&order);                                                                              \
        errno = error;                                                                                             \
        return note(fd, 1);                                                                                        \
    }
OPENS(open)
OPENS(open64)

int close(int fd) {
    REAL(close);
    note(fd, 0);
    return real(fd);
}

#define WRITES_AT(name, offset_type)                                                  \
    ssize_t name(int fd, const void *from, size_t count, offset_type to) {            \
        REAL(name);                                                                   \
        if (!ours(fd)) return real(fd, from, count, to);                              \
        pthread_mutex_lock(&order);                                                   \
        tell_write(fd, to, from, count);                                              \
        ssize_t written = real(fd, from, count, to);                                  \
        if (written != (ssize_t)count) abort();                                       \
        pthread_mutex_unlock(&order);                                                 \
        return written;                                                               \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t write(int fd, const void *from, size_t count) {
    REAL(write);
    if (!ours(fd)) return real(fd, from, count);
    pthread_mutex_lock(&order);
    int (*real_control)(int, int, ...) = dlsym(RTLD_NEXT, "fcntl");
    off_t at = real_control(fd, F_GETFL) & O_APPEND ? stat_of(fd).st_size : lseek(fd, 0, SEEK_CUR);
    tell_write(fd, at, from, count);
    ssize_t written = real(fd, from, count);
    if (written != (ssize_t)count) abort();
    pthread_mutex_unlock(&order);
    return written;
}

/* Fewer octets than were given may be written: the caller comes again. */
ssize_t writev(int fd, const struct iovec *from, int count) {
    REAL(writev);
    if (!ours(fd)) return real(fd, from, count);
    while (count > 0 && !from->iov_len) from++, count--;
    return count > 0 ? write(fd, from->iov_base, from->iov_len) : 0;
}

#define RESIZES(name, offset_type)                     \
    int name(int fd, offset_type len) {                \
        REAL(name);                                    \
        if (!ours(fd)) return real(fd, len);           \
        pthread_mutex_lock(&order);                    \
        tell_resize(fd, len);                          \
        int result = real(fd, len);                    \
        pthread_mutex_unlock(&order);                  \
        return result;                                 \
    }
RESIZES(ftruncate, off_t)
RESIZES(ftruncate64, off64_t)

/* What was written before it began is durable when it ends. */
static int flush(int fd) {
    pthread_mutex_lock(&order);
    uint64_t until = records;
    pthread_mutex_unlock(&order);
    usleep(flush_micros);
    if (lies) return 0;
    pthread_mutex_lock(&order);
    tell((struct record){.kind = SYNC, .inode = stat_of(fd).st_ino, .offset = until}, NULL, NULL, NULL, NULL);
    pthread_mutex_unlock(&order);
    return 0;
}

#define FLUSHES(name)                                  \
    int name(int fd) {                                 \
        REAL(name);                                    \
        return ours(fd) ? flush(fd) : real(fd);        \
    }
FLUSHES(fsync)
FLUSHES(fdatasync)

int rename(const char *path, const char *to) {
    REAL(rename);
    if (!is_below(path) && !is_below(to)) return real(path, to);
    pthread_mutex_lock(&order);
    struct stat before;
    int is_there = !lstat(path, &before);
    uint64_t saved = is_there ? save(to) : 0;
    if (is_there) tell((struct record){.kind = RENAME, .inode = before.st_ino, .saved = saved}, path, to, NULL, NULL);
    int result = real(path, to);
    if (is_there && result) abort();
    pthread_mutex_unlock(&order);
    return result;
}

int unlink(const char *path) {
    REAL(unlink);
    if (!is_below(path) || is_index(path)) return real(path);
    pthread_mutex_lock(&order);
    uint64_t saved = save(path);
    if (saved) tell((struct record){.kind = UNLINK, .saved = saved}, path, NULL, NULL, NULL);
    int result = real(path);
    pthread_mutex_unlock(&order);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (!is_below(path)) return real(path, mode);
    pthread_mutex_lock(&order);
    int result = real(path, mode);
    struct stat made;
    if (!result && !lstat(path, &made)) tell((struct record){.kind = CREATE, .inode = made.st_ino}, path, NULL, NULL, NULL);
    pthread_mutex_unlock(&order);
    return result;
}

#define CONTROLS(name)                                                                            \
    int name(int fd, int command, ...) {                                                          \
        REAL(name);                                                                               \
        va_list more;                                                                             \
        va_start(more, command);                                                                  \
        void *argument = va_arg(more, void *);                                                    \
        va_end(more);                                                                             \
        int copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                            \
        int result = real(fd, command, argument);                                                 \
        return copies ? note(result, ours(fd)) : result;                                          \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)

/* Whoever wants to copy without looking reads and writes instead. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags) {
    REAL(copy_file_range);
    if (!ours(to)) return real(from, from_at, to, to_at, len, flags);
    errno = ENOSYS;
    return -1;
}
