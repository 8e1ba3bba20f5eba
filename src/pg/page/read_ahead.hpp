// Pages asked from the disk before they are read, so that it brings many at a time. Looking for a page among all
// buffers costs more than asking for its cache lines: this is for those who see that pages have to be read.
#pragma once
#include "pg/postgres.hpp"

#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

// How many pages this session asked the disk for.
extern uint64_t asked_page_count;

// Asks for a page of the main fork that exists, unless it is in memory, and takes note of where it is.
void ask_for_page(Relation relation, BlockNumber block);

// The same for `count` pages from `first` on. Those that are missing and follow each other are one request where the
// server has requests for more than a page.
void ask_for_pages(Relation relation, BlockNumber first, uint32 count);

// The same for a file of shared buffers that is no Relation. Notes nothing.
void ask_for_file_pages(FileLocator const& file, BlockNumber first, uint32 count);

}  // namespace strata::pg
