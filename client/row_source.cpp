#include "row_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/base/crc32c.hpp"
#include "failure.hpp"
#include "open_file.hpp"

namespace strata::client {
namespace {

constexpr size_t window_size = size_t{1} << 20;
static_assert(window_size >= files::window_size_min);

class FileSource : public RowSource {
 public:
  FileSource(Options const& options, OpenFile file, uint64_t size, files::Format format, uint32_t dim)
      : path_(options.path), file_(std::move(file)), reader_({format, dim, size}), window_(window_size) {}

  bool next(SourceRow* row) override {
    for (;;) {
      files::Event const event = reader_.next(window_.data() + begin_, end_ - begin_, at_end_);
      switch (event) {
        case files::Event::need_bytes:
          fill();
          continue;
        case files::Event::end:
          return false;
        case files::Event::fault:
          fail_at(path_, reader_.fault());
        case files::Event::head:
          begin_ += reader_.used();
          continue;
        case files::Event::row:
        case files::Event::bad_row:
          begin_ += reader_.used();
          row->row = reader_.row();
          row->is_bad = event == files::Event::bad_row;
          if (row->is_bad) row->fault = reader_.fault();
          if (row->row.number < first_) continue;
          return true;
      }
    }
  }

  void skip_to(uint64_t row) override { first_ = row; }
  files::Element element() const override { return reader_.element(); }
  uint32_t dim() const override { return reader_.dim(); }
  uint64_t row_count() const override { return reader_.row_count(); }

 private:
  void fill() {
    std::memmove(window_.data(), window_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    size_t const got = file_.read(window_.data() + end_, window_size - end_);
    at_end_ = got < window_size - end_;
    end_ += got;
    check_interrupted();
  }

  std::string path_;
  OpenFile file_;
  files::Reader reader_;
  std::vector<char> window_;
  size_t begin_ = 0, end_ = 0;
  bool at_end_ = false;
  uint64_t first_ = 0;
};

}  // namespace

std::string text_of(files::Fault const& fault) {
  char text[files::fault_text_size];
  files::describe(fault, text);
  return text;
}

void fail_at(std::string const& path, files::Fault const& fault) {
  char const* const advice = files::advice(fault.kind);
  throw Failure("file \"", path, "\": ", text_of(fault), advice ? "\n" : "", advice ? advice : "");
}

std::unique_ptr<RowSource> open_source(Options const& options, uint32_t dim) {
  OpenFile file = OpenFile::for_reading(options.path);
  uint64_t const size = file.size();
  files::Format format;
  if (options.format == "auto") {
    std::string head(files::recognise_size, '\0');
    head.resize(file.read(head.data(), head.size()));
    file.rewind();
    if (!files::recognise(options.path, head, size, &format)) {
      throw Failure("the format of file \"", options.path, "\" is not known: say it with --format");
    }
  } else if (!files::parse_format(options.format, &format)) {
    throw UsageFailure("unknown format \"", options.format, "\"");
  }
  if (format == files::Format::hdf5) return open_hdf5_source(options, dim);
  return std::make_unique<FileSource>(options, std::move(file), size, format, dim);
}

std::string content_token(std::string const& path) {
  OpenFile file = OpenFile::for_reading(path);
  constexpr size_t part_size = size_t{64} << 10;
  std::vector<char> bytes(2 * part_size);
  size_t used = file.read(bytes.data(), part_size);
  uint64_t const size = file.size();
  if (size > 2 * part_size) file.seek(size - part_size);
  used += file.read(bytes.data() + used, part_size);
  size_t const slash = path.rfind('/');
  return concat(slash == std::string::npos ? path : path.substr(slash + 1), " ", size, " ", crc32c(bytes.data(), used));
}

}  // namespace strata::client
