// What a fuzz target defines. The same file is linked with libFuzzer or with driver.cpp.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {

// Required. Must accept any bytes: crashes, sanitizer reports and failed assertions are findings. Returns 0.
int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size);

// Optional. Writes valid input number `number` (0, 1, 2, ...) to out[0..capacity) and returns its size, 0 when there
// are no more. Mutations of valid input get past the first check of a decoder, random bytes seldom do.
[[gnu::weak]] size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number);
}
