#include "pg/stats/shared_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace strata::pg {
namespace {

constexpr char const* directory = "pg_stat_tmp";  // emptied by no one, left out of base backups

// Files of earlier lives of the server, of other layouts, and of earlier databases with this number.
void remove_old_files(char const* prefix, char const* current) {
  DIR* const dir = AllocateDir(directory);
  if (!dir) return;
  while (dirent const* const entry = ReadDirExtended(dir, directory, LOG)) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || strcmp(entry->d_name, current) == 0) continue;
    char path[MAXPGPATH];
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    unlink(path);
  }
  FreeDir(dir);
}

}  // namespace

void* map_shared_file(char const* kind, char const* name, size_t size) {
  char prefix[64], file_name[128], path[MAXPGPATH];
  snprintf(prefix, sizeof prefix, "strata_%s%u_", kind, MyDatabaseId);
  snprintf(file_name, sizeof file_name, "%s%s.stat", prefix, name);
  snprintf(path, sizeof path, "%s/%s", directory, file_name);
  int const file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return nullptr;
  struct stat status;
  bool const is_new = fstat(file, &status) == 0 && status.st_size == 0;
  // Real blocks: with a hole, a full disk would end the session at its first count.
  bool const has_room = posix_fallocate(file, 0, off_t(size)) == 0;
  void* const memory = has_room ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (is_new) remove_old_files(prefix, file_name);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace strata::pg
