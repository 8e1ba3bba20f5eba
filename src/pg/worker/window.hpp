// The maintenance window: the hours of the day in which background workers and VACUUM may train, merge and compact.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct Window {
  int from_minute;  // of the day
  int to_minute;    // exclusive; below from_minute: past midnight; equal: always
};

// "22:00-06:00"; an empty text is always. False when it is neither.
bool parse_window(char const* text, Window* window);

// Whether strata.maintenance_window is open now, by the clock of the setting TimeZone.
bool window_is_open();

}  // namespace strata::pg
