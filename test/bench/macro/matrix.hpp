// A row-major block of float32 vectors: what every input file becomes, whatever its element type.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace strata::bench {

class Matrix {
 public:
  Matrix() = default;
  Matrix(uint64_t rows, uint32_t dim) : dim_(dim) { resize(rows); }

  uint64_t rows() const { return rows_; }
  uint64_t capacity() const { return capacity_; }  // rows that fit without growing
  uint32_t dim() const { return dim_; }
  uint64_t value_count() const { return rows_ * dim_; }
  float const* row(uint64_t index) const { return values_.get() + index * dim_; }
  float* row(uint64_t index) { return values_.get() + index * dim_; }
  float const* data() const { return values_.get(); }

  void set_dim(uint32_t dim) { dim_ = dim; }  // before the first resize only

  // Keeps what is there; new values are not initialised. Grows in place where the allocator can, because the largest
  // inputs fill half of the memory and a second copy would not fit.
  void reserve(uint64_t rows) {
    if (rows <= capacity_) return;
    void* grown = std::realloc(values_.get(), rows * dim_ * sizeof(float));
    if (grown == nullptr) throw std::bad_alloc();
    values_.release();
    values_.reset(static_cast<float*>(grown));
    capacity_ = rows;
  }
  void resize(uint64_t rows) {
    reserve(rows);
    rows_ = rows;
  }

 private:
  struct Free {
    void operator()(float* values) const { std::free(values); }
  };
  uint64_t rows_ = 0;
  uint64_t capacity_ = 0;
  uint32_t dim_ = 0;
  std::unique_ptr<float, Free> values_;
};

// The last `count` rows, moved out of `base`: queries that are not rows of the table.
Matrix take_last_rows(Matrix& base, uint64_t count);

}  // namespace strata::bench
