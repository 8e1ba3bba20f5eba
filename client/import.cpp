#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "column.hpp"
#include "commands.hpp"
#include "core/files/copy_stream.hpp"
#include "core/files/little_endian.hpp"
#include "failure.hpp"
#include "progress.hpp"
#include "row_source.hpp"

namespace strata::client {
namespace {

constexpr size_t send_size = size_t{128} << 10;
constexpr uint64_t skipped_rows_told = 5;

// How far an import has come, in the same transaction as its rows: table strata.import_mark.
class Mark {
 public:
  Mark(Connection& connection, Table const& table, Options const& options)
      : connection_(connection), table_(table), token_(token_of(table, options)) {}

  // Looks up what an earlier run did; `restart` forgets it.
  void open(bool restart) {
    if (restart) connection_.run("DELETE FROM strata.import_mark WHERE " + key(), parameters());
    connection_.run(
        "INSERT INTO strata.import_mark (relation, token) VALUES ($1::pg_catalog.oid, $2) ON CONFLICT DO NOTHING",
        parameters());
    read("");
  }
  uint64_t rows_done() const { return rows_done_; }
  bool is_finished() const { return is_finished_; }

  // Within the transaction of a batch, before its rows. Another run of the same import waits here, and then sees that
  // this one was quicker.
  void lock() {
    uint64_t const expected = rows_done_;
    read(" FOR UPDATE");
    if (rows_done_ != expected || is_finished_)
      throw Failure("the same import runs elsewhere; it has come to row ", rows_done_);
  }
  void advance(uint64_t rows_done, bool finished) {
    auto values = parameters();
    values.push_back(std::to_string(rows_done));
    values.push_back(finished ? "t" : "f");
    connection_.run(
        "UPDATE strata.import_mark SET rows_done = $3::bigint, finished = $4::boolean,"
        " changed_at = pg_catalog.now() WHERE " +
            key(),
        values);
    rows_done_ = rows_done;
    is_finished_ = finished;
  }

 private:
  static std::string token_of(Table const& table, Options const& options) {
    return concat(content_token(options.path), " ", options.dataset, " ", table.column.name, " ", options.id_column,
                  " ", options.first_id, " ", options.skip_rows, " ", options.max_rows);
  }
  static std::string key() { return "relation = $1::pg_catalog.oid AND owner = current_user AND token = $2"; }
  std::vector<std::string> parameters() const { return {table_.oid, token_}; }
  void read(char const* lock) {
    Result const found =
        connection_.run("SELECT rows_done, finished FROM strata.import_mark WHERE " + key() + lock, parameters());
    if (found.row_count() != 1) throw Failure("the mark of this import was removed meanwhile");
    rows_done_ = std::stoull(found.text(0, 0));
    is_finished_ = found.text(0, 1) == "t";
  }

  Connection& connection_;
  Table const& table_;
  std::string token_;
  uint64_t rows_done_ = 0;
  bool is_finished_ = false;
};

class Importer {
 public:
  Importer(Options const& options, Connection& connection)
      : options_(options),
        connection_(connection),
        table_(find_table(connection, options.table, options.column, options.id_column)) {
    if (options.dimensions != 0 && table_.column.dim != 0 && options.dimensions != table_.column.dim) {
      throw Failure("column \"", table_.column.name, "\" has ", table_.column.dim, " dimensions, not ",
                    options.dimensions);
    }
    source_ = open_source(options, table_.column.dim != 0 ? table_.column.dim : options.dimensions);
  }

  void run() {
    Mark mark(connection_, table_, options_);
    if (options_.resume) {
      mark.open(options_.restart);
      if (mark.is_finished()) {
        std::printf("all %llu rows of this import are in the table already; --restart imports them again\n",
                    static_cast<unsigned long long>(mark.rows_done()));
        return;
      }
    }
    // Batches are too small for segments of their own.
    if (!options_.resume) copy_into_segments();
    rows_done_ = mark.rows_done();
    source_->skip_to(options_.skip_rows + rows_done_);
    has_row_ = next();
    Progress progress(!options_.quiet, total(), rows_done_);
    progress_ = &progress;
    uint64_t const earlier = rows_done_;
    do {
      connection_.run("BEGIN");
      if (options_.resume) mark.lock();
      copy_batch(options_.resume ? options_.batch_rows : UINT64_MAX);
      if (options_.resume) mark.advance(rows_done_, !has_row_);
      connection_.run("COMMIT");
    } while (has_row_);
    progress.clear();
    std::printf("%llu rows imported", static_cast<unsigned long long>(inserted_));
    if (skipped_ > 0) std::printf(", %llu skipped", static_cast<unsigned long long>(skipped_));
    if (earlier > 0)
      std::printf(", after the first %llu rows of an earlier run", static_cast<unsigned long long>(earlier));
    std::printf("\n");
  }

 private:
  // The server knows the setting once it has loaded the library, which a question about an index of it brings about.
  void copy_into_segments() {
    connection_.run(
        "SELECT pg_catalog.pg_index_has_property(indexrelid, 'clusterable') FROM pg_catalog.pg_index"
        " WHERE indrelid = $1::pg_catalog.oid",
        {table_.oid});
    connection_.run("SET strata.copy_into_segments = on");
  }

  bool next() { return rows_done_ < options_.max_rows && source_->next(&row_); }

  uint64_t total() const {
    uint64_t const rows = source_->row_count();
    if (rows == files::row_count_unknown) return 0;
    return std::min(options_.max_rows, rows - std::min(rows, options_.skip_rows));
  }

  void copy_batch(uint64_t row_count) {
    std::string columns = quoted(table_.column.name);
    if (table_.id_size != 0) columns = quoted(options_.id_column) + ", " + columns;
    connection_.begin_copy_in("COPY " + table_.name + " (" + columns + ") FROM STDIN (FORMAT binary)");
    std::string bytes(files::copy_head);
    for (uint64_t i = 0; i < row_count && has_row_; ++i) {
      append(&bytes);
      if (bytes.size() >= send_size) {
        connection_.send_copy(bytes);
        bytes.clear();
        check_interrupted();
        progress_->show(rows_done_);
      }
      ++rows_done_;
      has_row_ = next();
    }
    bytes += files::copy_tail;
    connection_.send_copy(bytes);
    inserted_ += connection_.end_copy_in();
    progress_->show(rows_done_);
  }

  void append(std::string* bytes) {
    files::Fault fault = row_.fault;
    void const* values = nullptr;
    if (!row_.is_bad) values = table_.column.has_integers() ? integers() : floats(&fault);
    if (!values) return skip(fault);
    int64_t id = 0;
    if (table_.id_size != 0 && (__builtin_add_overflow(options_.first_id, static_cast<int64_t>(row_.row.number), &id) ||
                                !files::id_fits(id, table_.id_size))) {
      throw Failure("the id of row ", row_.row.number, " is out of range for column \"", options_.id_column, "\"");
    }
    append_copy_row(table_, id, source_->dim(), values, bytes);
  }

  void skip(files::Fault const& fault) {
    if (!options_.skip_bad_rows) fail_at(options_.path, fault);
    if (skipped_++ >= skipped_rows_told) return;
    progress_->clear();
    std::fprintf(stderr, "strata-file: skipping a row of \"%s\": %s\n", options_.path.c_str(), text_of(fault).c_str());
  }

  // Null when the row is bad.
  void const* floats(files::Fault* fault) {
    floats_.resize(source_->dim());
    bool const good = files::row_to_floats(row_.row, source_->element(), source_->dim(), table_.column.number(),
                                           floats_.data(), fault);
    return good ? floats_.data() : nullptr;
  }

  void const* integers() {
    integers_.resize(source_->dim());
    auto const* bytes = static_cast<char const*>(row_.row.elements);
    for (size_t i = 0; i < integers_.size(); ++i) {
      switch (source_->element()) {
        case files::Element::i32:
          integers_[i] = files::load_little<int32_t>(bytes + i * sizeof(int32_t));
          break;
        case files::Element::u8:
          integers_[i] = files::load_little<uint8_t>(bytes + i);
          break;
        case files::Element::i8:
          integers_[i] = files::load_little<int8_t>(bytes + i);
          break;
        default:
          throw Failure("the file holds numbers with fractions, column \"", table_.column.name, "\" integers");
      }
    }
    return integers_.data();
  }

  Options const& options_;
  Connection& connection_;
  Table table_;
  std::unique_ptr<RowSource> source_;
  SourceRow row_;
  bool has_row_ = false;
  Progress* progress_ = nullptr;
  uint64_t rows_done_ = 0;  // of the rows asked for, skipped ones included
  uint64_t inserted_ = 0, skipped_ = 0;
  std::vector<float> floats_;
  std::vector<int32_t> integers_;
};

}  // namespace

void import_rows(Options const& options, Connection& connection) {
  Importer(options, connection).run();
}

}  // namespace strata::client
