#include "pg/page/io_limit.hpp"

#include "pg/settings.hpp"

namespace strata::pg {
namespace {

constexpr int64_t sleep_least_us = 10 * 1000;
constexpr int64_t sleep_most_us = 1000 * 1000;

struct Account {
  int64_t debt_us;
  TimestampTz settled_at;
};
Account account;

}  // namespace

long charge_pages(uint64_t page_count) {
  int const limit_kb = settings.maintenance_io_limit_kb;
  if (limit_kb == 0) {
    account = Account{};
    return 0;
  }
  TimestampTz const now = GetCurrentTimestamp();
  if (account.settled_at != 0) account.debt_us = Max(account.debt_us - (now - account.settled_at), int64_t(0));
  account.settled_at = now;
  account.debt_us += int64_t(double(page_count) * (BLCKSZ / 1024) * USECS_PER_SEC / limit_kb);
  if (account.debt_us < sleep_least_us) return 0;
  return long(Min(account.debt_us, sleep_most_us) / 1000);
}

}  // namespace strata::pg
