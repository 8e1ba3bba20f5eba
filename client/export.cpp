#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "column.hpp"
#include "commands.hpp"
#include "core/files/copy_stream.hpp"
#include "core/files/little_endian.hpp"
#include "core/files/npy.hpp"
#include "failure.hpp"
#include "hdf5_file.hpp"
#include "open_file.hpp"
#include "progress.hpp"
#include "row_source.hpp"

namespace strata::client {
namespace {

constexpr size_t write_size = size_t{1} << 20;

// Where rows go; elements are floats or int32.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual void put(void const* elements, uint32_t dim) = 0;
  // Nothing has the file's name before.
  virtual void finish() = 0;
};

class FileSink : public RowSink {
 public:
  FileSink(Options const& options, files::Format format, Column const& column)
      : file_(OpenFile::for_writing(options.path, options.overwrite)), format_(format), column_(column) {
    if (format != files::Format::npy)
      shape_.element = files::vecs_element(format);
    else if (column.has_integers())
      shape_.element = files::Element::i32;
    else
      shape_.element = column.kind == ColumnKind::halfvec ? files::Element::f16 : files::Element::f32;
    if (column.has_integers() && shape_.element != files::Element::i32)
      throw Failure("integers are written as ivecs, npy or hdf5");
    if (format == files::Format::npy) bytes_.resize(files::npy_written_size);  // filled in at the end
  }

  void put(void const* elements, uint32_t dim) override {
    shape_.dim = dim;
    size_t const start = bytes_.size();
    bytes_.resize(start + files::file_row_size(format_, shape_.element, dim));
    files::Fault fault;
    if (column_.has_integers()) {
      put_integers(elements, bytes_.data() + start);
    } else if (files::write_row(format_, shape_.element, shape_.row_count, dim, static_cast<float const*>(elements),
                                bytes_.data() + start, &fault) == 0) {
      throw Failure(text_of(fault), "; write numbers with fractions as npy or fvecs");
    }
    ++shape_.row_count;
    if (bytes_.size() < write_size) return;
    file_.write(bytes_.data(), bytes_.size());
    bytes_.clear();
  }

  void finish() override {
    file_.write(bytes_.data(), bytes_.size());
    if (format_ == files::Format::npy) {
      if (shape_.row_count == 0) shape_.dim = std::max(1U, column_.dim);
      char head[files::npy_written_size];
      files::write_npy_head(shape_, head);
      file_.rewind();
      file_.write(head, sizeof head);
    }
    file_.publish();
  }

 private:
  void put_integers(void const* elements, char* out) {
    if (format_ != files::Format::npy) {
      files::store_little(shape_.dim, out);
      out += sizeof shape_.dim;
    }
    for (uint32_t i = 0; i < shape_.dim; ++i) {
      int32_t number;
      std::memcpy(&number, static_cast<char const*>(elements) + i * sizeof number, sizeof number);
      files::store_little(number, out + i * sizeof number);
    }
  }

  OpenFile file_;
  files::Format format_;
  Column column_;
  files::NpyShape shape_;
  std::vector<char> bytes_;
};

class Hdf5Sink : public RowSink {
 public:
  Hdf5Sink(Options const& options, Column const& column)
      : file_(OpenFile::for_writing(options.path, options.overwrite || options.append)),
        writer_(prepare(options), options.dataset, column.has_integers() ? files::Element::i32 : files::Element::f32,
                options.append) {
    if (!options.distance.empty()) writer_.set_distance(options.distance);
  }
  void put(void const* elements, uint32_t dim) override { writer_.put(elements, dim); }
  void finish() override {
    writer_.finish();
    file_.publish();
  }

 private:
  // What is added to a file is added to a copy of it.
  std::string prepare(Options const& options) {
    if (!options.append) return file_.partial_path();
    OpenFile original = OpenFile::for_reading(options.path);
    std::vector<char> bytes(write_size);
    for (size_t got; (got = original.read(bytes.data(), bytes.size())) > 0;) file_.write(bytes.data(), got);
    return file_.partial_path();
  }

  OpenFile file_;
  Hdf5Writer writer_;
};

std::unique_ptr<RowSink> open_sink(Options const& options, Column const& column) {
  std::string name = options.format;
  if (name == "auto") {
    size_t const dot = options.path.rfind('.');
    name = dot == std::string::npos ? "" : options.path.substr(dot + 1);
  }
  files::Format format;
  if (!files::parse_format(name, &format)) {
    throw UsageFailure("unknown format \"", name,
                       "\": let the name of the file end in .fvecs, .bvecs, .ivecs, .npy or .hdf5, or say --format");
  }
  if (format == files::Format::hdf5) return std::make_unique<Hdf5Sink>(options, column);
  if (options.append) throw UsageFailure("--append is for HDF5 files");
  return std::make_unique<FileSink>(options, format, column);
}

// By its first word, as strata.export_file() does.
bool is_query(std::string const& source) {
  size_t start = 0;
  while (start < source.size() && std::isspace(static_cast<unsigned char>(source[start]))) ++start;
  size_t end = start;
  std::string word;
  while (end < source.size() && std::isalpha(static_cast<unsigned char>(source[end])))
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(source[end++])));
  if (start < source.size() && source[start] == '(') return true;
  bool const ends = end < source.size() && source[end] != '_' && source[end] != '.' &&
                    !std::isalnum(static_cast<unsigned char>(source[end]));
  return ends && (word == "select" || word == "with" || word == "values" || word == "table");
}

// Takes COPY's stream apart: rows of one field.
class CopyRows {
 public:
  // Null for a NULL. Keeps what is not whole yet for the next piece.
  template <class Take>
  void add(std::string_view piece, Take take) {
    bytes_.append(piece);
    size_t at = has_head_ ? 0 : head_size();
    if (!has_head_ && at == 0) return;
    has_head_ = true;
    for (;;) {
      std::string_view const rest = std::string_view(bytes_).substr(at);
      if (rest.size() < 2 || files::load_big<int16_t>(rest.data()) < 0) break;
      if (rest.size() < 6) break;
      int32_t const length = files::load_big<int32_t>(rest.data() + 2);
      auto const size = static_cast<size_t>(std::max(0, length));
      if (rest.size() - 6 < size) break;
      take(length < 0 ? std::string_view{} : rest.substr(6, size), length < 0);
      at += 6 + size;
    }
    bytes_.erase(0, at);
  }

 private:
  size_t head_size() const { return bytes_.size() < files::copy_head.size() ? 0 : files::copy_head.size(); }
  std::string bytes_;
  bool has_head_ = false;
};

}  // namespace

void export_rows(Options const& options, Connection& connection) {
  std::string query = options.table;
  Column column;
  if (is_query(query)) {
    column = find_column(connection, query, options.column);
    query = "SELECT " + quoted(column.name) + " FROM (" + query + ") AS source";
  } else {
    Table const table = find_table(connection, query, options.column, "");
    column = table.column;
    query = "SELECT " + quoted(column.name) + " FROM " + table.name;
  }
  std::unique_ptr<RowSink> const sink = open_sink(options, column);
  connection.begin_copy_out("COPY (" + query + ") TO STDOUT (FORMAT binary)");
  Progress progress(!options.quiet, 0, 0);
  CopyRows rows;
  std::string piece;
  std::vector<char> values;
  uint64_t row_count = 0;
  size_t row_size = 0;
  while (connection.receive_copy(&piece)) {
    check_interrupted();
    rows.add(piece, [&](std::string_view field, bool is_null) {
      if (is_null) throw Failure("row ", row_count, " is NULL: export a query that leaves it out");
      read_copy_value(column, field, &values);
      if (row_count > 0 && values.size() != row_size) {
        throw Failure("row ", row_count, " has ", values.size() / sizeof(float), " dimensions, the first one ",
                      row_size / sizeof(float));
      }
      row_size = values.size();
      if (row_size == 0) throw Failure("row ", row_count, " is empty");
      sink->put(values.data(), static_cast<uint32_t>(row_size / sizeof(float)));
      ++row_count;
    });
    progress.show(row_count);
  }
  sink->finish();
  progress.clear();
  std::printf("%llu rows exported\n", static_cast<unsigned long long>(row_count));
}

}  // namespace strata::client
