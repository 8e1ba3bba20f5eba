#include "pg/worker/window.hpp"

#include "pg/settings.hpp"

namespace strata::pg {
namespace {

constexpr int day_minutes = 24 * 60;

// Reads "H:MM" or "HH:MM" up to 24:00; null when it is not.
char const* parse_minute(char const* at, int* minute) {
  int hours = 0, minutes = 0, digits = 0;
  for (; *at >= '0' && *at <= '9' && digits < 2; at++, digits++) hours = hours * 10 + (*at - '0');
  if (digits == 0 || *at++ != ':') return nullptr;
  for (digits = 0; *at >= '0' && *at <= '9' && digits < 2; at++, digits++) minutes = minutes * 10 + (*at - '0');
  *minute = hours * 60 + minutes;
  return digits == 2 && minutes < 60 && *minute <= day_minutes ? at : nullptr;
}

}  // namespace

bool parse_window(char const* text, Window* window) {
  *window = {0, 0};
  if (!text || !*text) return true;
  char const* const middle = parse_minute(text, &window->from_minute);
  if (!middle || *middle != '-') return false;
  char const* const end = parse_minute(middle + 1, &window->to_minute);
  return end && *end == '\0';
}

bool window_is_open() {
  Window window;
  if (!parse_window(settings.maintenance_window, &window) || window.from_minute == window.to_minute) return true;
  struct pg_tm local;
  fsec_t fraction;
  int zone;
  if (timestamp2tm(GetCurrentTimestamp(), &zone, &local, &fraction, nullptr, nullptr) != 0) return true;
  int const now = local.tm_hour * 60 + local.tm_min;
  return window.from_minute < window.to_minute ? now >= window.from_minute && now < window.to_minute
                                               : now >= window.from_minute || now < window.to_minute;
}

}  // namespace strata::pg
