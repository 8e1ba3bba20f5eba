// A throw-away PostgreSQL cluster: own data directory, socket only, stopped and removed with the object.
#pragma once
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace strata::bench {

struct ServerOptions {
  std::string pg_config = "pg_config";
  std::string workdir;                   // parent of the cluster; empty: TMPDIR or /tmp
  std::string os_user;                   // who runs the server when we are root; empty: postgres, else nobody
  uint64_t shared_buffers_mb = 0;        // 0: a sixth of the memory, at most 4 GB
  uint64_t maintenance_work_mem_mb = 0;  // 0: a sixth of the memory
  std::vector<std::pair<std::string, std::string>> settings;  // further ones, override the others
};

class PrivateServer {
 public:
  explicit PrivateServer(ServerOptions const& options);
  ~PrivateServer();
  PrivateServer(PrivateServer const&) = delete;
  PrivateServer& operator=(PrivateServer const&) = delete;

  std::string dsn() const;
  // Stops the server and starts it again, with other shared_buffers when not 0. Connections must be closed.
  // `drops_caches`: meanwhile the operating system is asked to forget the pages of its files.
  void restart(uint64_t shared_buffers_mb, bool drops_caches);
  std::string const& settings_text() const { return settings_text_; }

  // For a signal handler: asks the running server, if any, to stop at once.
  static void interrupt();

 private:
  void make_directories(std::string const& workdir);
  void run_initdb();
  void start();
  void wait_until_ready();
  void stop();
  void drop_caches() const;
  void remove_directories();
  std::string log_tail() const;

  ServerOptions options_;
  std::string bin_dir_, directory_, socket_directory_, settings_text_;
  std::vector<std::string> arguments_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  bool drop_root_ = false;
  pid_t pid_ = -1;
};

}  // namespace strata::bench
