// The binary form of elements on the wire: big-endian 16- and 32-bit words. Both sides may be unaligned.
#pragma once
#include <cstdint>

#include "core/text/vector_text.hpp"

namespace strata::text {

// Copy `count` words and swap their bytes where the machine is little-endian. The direction does not matter.
void swap_words16(uint32_t count, void const* source, void* target) noexcept;
void swap_words32(uint32_t count, void const* source, void* target) noexcept;

// The first element that no vector type may hold: fault not_a_number or infinite, or none.
Fault check_floats(uint32_t count, void const* floats) noexcept;
Fault check_halves(uint32_t count, void const* halves) noexcept;

}  // namespace strata::text
