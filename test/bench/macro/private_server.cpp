#include "macro/private_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "macro/failure.hpp"
#include "macro/pg_client.hpp"

namespace strata::bench {
namespace {

std::atomic<pid_t> running_pid{-1};

std::string output_of(std::string const& command) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  char buffer[512];
  while (pipe && std::fgets(buffer, sizeof buffer, pipe.get())) text += buffer;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

uint64_t memory_mb() {
  return uint64_t(::sysconf(_SC_PHYS_PAGES)) * uint64_t(::sysconf(_SC_PAGESIZE)) >> 20;
}

std::string make_directory(std::string const& pattern) {
  std::string name = pattern;
  if (::mkdtemp(name.data()) == nullptr) throw Failure("cannot create \"", pattern, "\": ", std::strerror(errno));
  return name;
}

}  // namespace

PrivateServer::PrivateServer(ServerOptions const& options) : options_(options) {
  bin_dir_ = output_of("'" + options.pg_config + "' --bindir 2>/dev/null");
  if (bin_dir_.empty() || ::access((bin_dir_ + "/initdb").c_str(), X_OK) != 0) {
    throw Failure("no PostgreSQL server found through ", options.pg_config,
                  ": install postgresql and postgresql-server-dev-all, say --pg-config, or use a running one by --dsn");
  }
  drop_root_ = ::geteuid() == 0;
  if (drop_root_) {
    passwd const* user = options.os_user.empty() ? ::getpwnam("postgres") : ::getpwnam(options.os_user.c_str());
    if (user == nullptr && options.os_user.empty()) user = ::getpwnam("nobody");
    if (user == nullptr || user->pw_uid == 0) {
      throw Failure("PostgreSQL does not run as root: name an unprivileged account with --server-user");
    }
    uid_ = user->pw_uid;
    gid_ = user->pw_gid;
  }
  make_directories(options.workdir);
  try {
    run_initdb();
    start();
    wait_until_ready();
  } catch (...) {
    stop();
    remove_directories();
    throw;
  }
}

PrivateServer::~PrivateServer() {
  stop();
  remove_directories();
}

std::string PrivateServer::dsn() const {
  return "host=" + socket_directory_ + " user=bench dbname=postgres";
}

void PrivateServer::interrupt() {
  pid_t const pid = running_pid.load();
  if (pid > 0) ::kill(pid, SIGQUIT);
}

void PrivateServer::make_directories(std::string const& workdir) {
  char const* temporary = std::getenv("TMPDIR");
  std::string const fallback = temporary != nullptr && temporary[0] != '\0' ? temporary : "/tmp";
  if (!workdir.empty()) std::filesystem::create_directories(workdir);
  directory_ = make_directory((workdir.empty() ? fallback : std::filesystem::absolute(workdir).string()) +
                              "/strata-bench-XXXXXX");
  // A socket's path may have 107 bytes only, so it does not go below a workdir of any length.
  socket_directory_ = make_directory("/tmp/strata-bench-XXXXXX");
  if (drop_root_ && (::chown(directory_.c_str(), uid_, gid_) != 0 || ::chown(socket_directory_.c_str(), uid_, gid_))) {
    remove_directories();
    throw Failure("cannot give \"", directory_, "\" to the server's account: ", std::strerror(errno));
  }
}

// In the child between fork and exec: only what is safe there.
static void become(bool drop_root, uid_t uid, gid_t gid, char const* directory, char const* log) {
  if (drop_root && (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)) ::_exit(126);
  if (::chdir(directory) != 0) ::_exit(125);
  int const file = ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  int const null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
}

static pid_t spawn(std::vector<std::string> const& arguments, bool drop_root, uid_t uid, gid_t gid,
                   std::string const& directory, bool stop_with_parent) {
  std::vector<char*> pointers;
  for (std::string const& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  std::string const log = directory + "/log";
  pid_t const pid = ::fork();
  if (pid < 0) throw Failure("cannot fork: ", std::strerror(errno));
  if (pid != 0) return pid;
  ::setsid();  // Ctrl-C goes to us; we stop the server
  become(drop_root, uid, gid, directory.c_str(), log.c_str());
  if (stop_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGINT);
  ::execv(pointers[0], pointers.data());
  ::_exit(127);
}

void PrivateServer::run_initdb() {
  std::vector<std::string> const arguments = {
      bin_dir_ + "/initdb", "-D",       directory_ + "/data", "-U", "bench", "-A", "trust", "-E", "UTF8",
      "--locale=C",         "--no-sync"};
  pid_t const pid = spawn(arguments, drop_root_, uid_, gid_, directory_, true);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw Failure("initdb failed:\n", log_tail());
}

void PrivateServer::start() {
  uint64_t const share = memory_mb() / 6;
  uint64_t const buffers =
      options_.shared_buffers_mb != 0 ? options_.shared_buffers_mb : std::min<uint64_t>(4096, share);
  uint64_t const work_mem = options_.maintenance_work_mem_mb != 0 ? options_.maintenance_work_mem_mb : share;
  std::vector<std::pair<std::string, std::string>> settings = {
      {"shared_buffers", concat(buffers, "MB")},
      {"maintenance_work_mem", concat(work_mem, "MB")},
      {"max_wal_size", "32GB"},
      {"checkpoint_timeout", "1h"},
      {"autovacuum", "off"},
      {"jit", "off"},
      {"max_parallel_workers_per_gather", "0"},
  };
  // A parallel build keeps its memory in dynamic shared memory, which containers often limit to 64 MB.
  struct statvfs memory;
  if (::statvfs("/dev/shm", &memory) != 0 ||
      uint64_t(memory.f_bavail) * memory.f_frsize >> 20 < work_mem + work_mem / 4) {
    settings.emplace_back("dynamic_shared_memory_type", "mmap");
  }
  for (auto const& setting : options_.settings) {
    std::erase_if(settings, [&](auto const& earlier) { return earlier.first == setting.first; });
    settings.push_back(setting);
  }
  arguments_ = {bin_dir_ + "/postgres", "-D", directory_ + "/data",          "-k", socket_directory_, "-c",
                "listen_addresses=",    "-c", "unix_socket_permissions=0777"};
  for (auto const& [name, value] : settings) {
    arguments_.push_back("-c");
    arguments_.push_back(name + "=" + value);
    settings_text_ += (settings_text_.empty() ? "" : ", ") + name + "=" + value;
  }
  pid_ = spawn(arguments_, drop_root_, uid_, gid_, directory_, true);
  running_pid = pid_;
}

void PrivateServer::restart(uint64_t shared_buffers_mb, bool drops_caches) {
  uint64_t const usual = options_.shared_buffers_mb;
  std::string const settings = settings_text_;  // of the first start: what the report names
  stop();
  if (drops_caches) drop_caches();
  if (shared_buffers_mb != 0) options_.shared_buffers_mb = shared_buffers_mb;
  settings_text_.clear();
  start();
  options_.shared_buffers_mb = usual;
  settings_text_ = settings;
  wait_until_ready();
}

// Dirty pages stay in the cache, so everything is written first. Whole pages of a file that nobody maps are dropped.
void PrivateServer::drop_caches() const {
  ::sync();
  for (auto const& entry : std::filesystem::recursive_directory_iterator(directory_ + "/data")) {
    if (!entry.is_regular_file()) continue;
    int const file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
}

void PrivateServer::wait_until_ready() {
  for (int attempt = 0; attempt < 600; ++attempt) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      running_pid = -1;
      throw Failure("the private server did not start:\n", log_tail());
    }
    if (PQping(dsn().c_str()) == PQPING_OK) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw Failure("the private server was not ready after 60 seconds:\n", log_tail());
}

void PrivateServer::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGINT);  // fast shutdown
  for (int attempt = 0; attempt < 1200; ++attempt) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      running_pid = -1;
      return;
    }
    if (attempt == 600) ::kill(pid_, SIGQUIT);  // immediate: nothing here is worth a checkpoint
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void PrivateServer::remove_directories() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  if (!socket_directory_.empty()) std::filesystem::remove_all(socket_directory_, ignored);
}

std::string PrivateServer::log_tail() const {
  std::ifstream file(directory_ + "/log");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

}  // namespace strata::bench
