// Where the values of TOAST tables lie, as far as this backend has seen. All of it are hints: what is found there says
// itself what it is. Tables of a fixed size, written over and never cleared.
//
// A value gets the next id when it is written, and the next free place. So the page of a value that was never seen can
// be guessed from those of values with ids near its own: tables of millions of rows hold more values than anybody can
// remember, and looking one up in the index of the TOAST table costs more than reading it. Where updates have mixed ids
// and places up, guesses fail, and are no longer made.
#pragma once
#include "pg/postgres.hpp"

#include "pg/page/toast_page.hpp"

namespace strata::pg {

// False when the value's place was not seen, or has been forgotten.
bool known_place(Relation table, Oid value, ToastPlace* place);
void remember_place(Relation table, Oid value, ToastPlace const& place);

// The page where a value that was not seen might begin. `density`: how many pages such a value takes when nothing else
// is known.
struct PageGuess {
  BlockNumber block;
  double pages_per_id;
};
bool guess_page(Relation table, Oid value, double density, PageGuess* guess);

// What came of a guess: decides whether more are made for this table.
void judge_guess(Relation table, bool was_right);

}  // namespace strata::pg
