/* A disk that is full, for a server started with this library in LD_PRELOAD and FULL_DISK_FILE in its environment.
 *
 * That file holds a struct disk, which all processes map: files whose path contains `path` may grow by `free_bytes`
 * together; then whatever would make one longer fails with ENOSPC. Writing over what is there goes on, as it does on a
 * real disk. Nothing is given back by files that shrink: the test says how much is free.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct disk {
  int64_t free_bytes;
  int64_t refused_count;
  char path[48];
};

static struct disk *disk(void) {
  static struct disk *mapped;
  if (mapped) return mapped;
  char const *name = getenv("FULL_DISK_FILE");
  int const file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return NULL;
  void *const memory = mmap(NULL, sizeof(struct disk), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory != MAP_FAILED) mapped = memory;
  return mapped;
}

/* Whether the file may become `end` bytes long. */
static int has_room(int file, off_t end) {
  int const before = errno;
  char link[32], path[1024];
  struct stat now;
  int has = 1;
  struct disk *const d = disk();
  if (d && fstat(file, &now) == 0 && S_ISREG(now.st_mode) && now.st_size < end) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t const length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    if (strstr(path, d->path)) {
      int64_t const more = end - now.st_size;
      has = __atomic_sub_fetch(&d->free_bytes, more, __ATOMIC_SEQ_CST) >= 0;
      if (!has) {
        __atomic_add_fetch(&d->free_bytes, more, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&d->refused_count, 1, __ATOMIC_SEQ_CST);
      }
    }
  }
  errno = has ? before : ENOSPC;
  return has;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int file, void const *bytes, size_t size) {
  REAL(write);
  off_t const at = lseek(file, 0, SEEK_CUR);
  return at < 0 || has_room(file, at + (off_t)size) ? real(file, bytes, size) : -1;
}

ssize_t pwrite(int file, void const *bytes, size_t size, off_t at) {
  REAL(pwrite);
  return has_room(file, at + (off_t)size) ? real(file, bytes, size, at) : -1;
}

ssize_t pwrite64(int file, void const *bytes, size_t size, off64_t at) {
  REAL(pwrite64);
  return has_room(file, at + (off_t)size) ? real(file, bytes, size, at) : -1;
}

static off_t size_of(struct iovec const *parts, int count) {
  off_t size = 0;
  for (int i = 0; i < count; i++) size += (off_t)parts[i].iov_len;
  return size;
}

ssize_t pwritev(int file, struct iovec const *parts, int count, off_t at) {
  REAL(pwritev);
  return has_room(file, at + size_of(parts, count)) ? real(file, parts, count, at) : -1;
}

ssize_t pwritev64(int file, struct iovec const *parts, int count, off64_t at) {
  REAL(pwritev64);
  return has_room(file, at + size_of(parts, count)) ? real(file, parts, count, at) : -1;
}

int posix_fallocate(int file, off_t at, off_t size) {
  REAL(posix_fallocate);
  return has_room(file, at + size) ? real(file, at, size) : ENOSPC;
}

int posix_fallocate64(int file, off64_t at, off64_t size) {
  REAL(posix_fallocate64);
  return has_room(file, at + size) ? real(file, at, size) : ENOSPC;
}
