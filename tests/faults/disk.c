/* A disk that fails on request, for tests: preloaded into the daemon, it stands between SQLite and the kernel.
 *
 * DISK_FILES is the prefix of the paths that lie on this disk. DISK_CONTROL is a file of 64-bit numbers that the test
 * changes at any time (tests/faults/disk.py names them). DISK_JOURNAL, if set, is a file to which each write, cut and
 * sync is appended, so that the test can tell what a power cut would have left.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FAIL_SYNC, FAIL_WRITE, FAIL_READ, SIZE, SYNCS, REFUSED, NUMBERS };

static volatile int64_t *control;
static const char *files;
static int journal = -1;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("DISK_CONTROL"), *log = getenv("DISK_JOURNAL");
    files = getenv("DISK_FILES");
    if (!name || !files) return;
    int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, NUMBERS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) control = at;
    if (log) journal = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The name of an open file on this disk, after the prefix; NULL for all others. */
static const char *on_disk(int fd, char *path) {
    if (!control) return NULL;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    size_t prefix = strlen(files);
    return strncmp(path, files, prefix) ? NULL : path + prefix;
}

static int refuse(int64_t error) {
    __atomic_fetch_add(&control[REFUSED], 1, __ATOMIC_SEQ_CST);
    errno = (int)error;
    return -1;
}

static int64_t used(void) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", files);
    char *end = strrchr(folder, '/');
    *end = 0;
    int64_t sum = 0;
    DIR *all = opendir(folder);
    if (!all) return 0;
    for (struct dirent *one; (one = readdir(all));) {
        char path[PATH_MAX * 2];
        snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        struct stat found;
        if (!strncmp(path, files, strlen(files)) && !stat(path, &found)) sum += found.st_size;
    }
    closedir(all);
    return sum;
}

static int has_room(int fd, int64_t end) {
    struct stat found;
    if (!control[SIZE] || fstat(fd, &found) || end <= found.st_size) return 1;
    return used() + end - found.st_size <= control[SIZE];
}

static void note(char what, const char *name, int64_t at, const void *data, size_t count) {
    if (journal < 0) return;
    size_t named = strlen(name), all = 1 + 2 + 8 + 8 + named + count;
    char *record = malloc(all), *to = record;
    uint16_t short_name = (uint16_t)named;
    uint64_t length = count;
    *to++ = what;
    memcpy(to, &short_name, 2), to += 2;
    memcpy(to, &at, 8), to += 8;
    memcpy(to, &length, 8), to += 8;
    memcpy(to, name, named), to += named;
    if (count) memcpy(to, data, count);
    if (write(journal, record, all) != (ssize_t)all) abort();
    free(record);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    char path[PATH_MAX];
    const char *name = on_disk(fd, path);
    if (name) {
        if (control[FAIL_WRITE]) return refuse(control[FAIL_WRITE]);
        if (!has_room(fd, at + (int64_t)count)) return refuse(ENOSPC);
    }
    ssize_t done = REAL(pwrite64)(fd, data, count, at);
    if (name && done > 0) note('w', name, at, data, (size_t)done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t at) { return pwrite64(fd, data, count, at); }

ssize_t pread64(int fd, void *data, size_t count, off64_t at) {
    char path[PATH_MAX];
    if (control && control[FAIL_READ] && on_disk(fd, path)) return refuse(control[FAIL_READ]);
    return REAL(pread64)(fd, data, count, at);
}

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    const char *name = on_disk(fd, path);
    if (name && !has_room(fd, size)) return refuse(ENOSPC);
    int done = REAL(ftruncate64)(fd, size);
    if (name && !done) note('t', name, size, NULL, 0);
    return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int posix_fallocate64(int fd, off64_t at, off64_t count) {
    char path[PATH_MAX];
    if (on_disk(fd, path) && !has_room(fd, at + count)) return refuse(ENOSPC), ENOSPC;
    return REAL(posix_fallocate64)(fd, at, count);
}

int posix_fallocate(int fd, off_t at, off_t count) { return posix_fallocate64(fd, at, count); }

int fdatasync(int fd) {
    char path[PATH_MAX];
    const char *name = on_disk(fd, path);
    if (!name) return REAL(fdatasync)(fd);
    if (control[FAIL_SYNC]) return refuse(control[FAIL_SYNC]);
    note('s', name, 0, NULL, 0);
    __atomic_fetch_add(&control[SYNCS], 1, __ATOMIC_SEQ_CST);
    return 0;
}

int fsync(int fd) {
    char path[PATH_MAX];
    return on_disk(fd, path) ? fdatasync(fd) : REAL(fsync)(fd);
}

int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (!done && control && !strncmp(path, files, strlen(files))) note('u', path + strlen(files), 0, NULL, 0);
    return done;
}

int statvfs64(const char *path, struct statvfs64 *found) {
    int done = REAL(statvfs64)(path, found);
    if (!done && control && control[SIZE]) {
        int64_t left = control[SIZE] - used();
        found->f_bavail = found->f_bfree = (fsblkcnt64_t)((left > 0 ? left : 0) / (int64_t)found->f_frsize);
    }
    return done;
}

int statvfs(const char *path, struct statvfs *found) { return statvfs64(path, (struct statvfs64 *)found); }
