/* SPDX-License-Identifier: MIT */
/* A SELECT: what is translated must be texts, and the engine may refuse but has to say why. */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give(struct hist_set *set, struct sql_texts *texts)
{
	struct out out = {0};
	struct err err = {0};
	int r = 0;

	if (texts->synthetic.len)
		r = hist_set_synthetic(set, out_cstr(&texts->synthetic), &err);
	for (size_t i = 0; i < texts->nr_triggers && r >= 0; i++)
		r = hist_set_trigger(set, texts->triggers[i].event,
				     out_cstr(&texts->triggers[i].text), &err);
	if (r >= 0 && texts->view.len)
		r = hist_set_trigger(set, hist_set_event(set, "synthetic", "made"),
				     out_cstr(&texts->view), &err);
	if (r < 0 && !*err.text)
		abort();
	sql_texts_print(texts, &out);
	out_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	struct hist_options options = {.kernel = hist_kernel_from_release("6.12.1")};
	struct hist_set *set = NULL;
	struct sql_texts texts;
	struct sql *sql = NULL;
	struct err err = {0};
	char *text = mem_strndup((const char *)data, size);

	if (!db && test_events(&db) < 0)
		abort();
	if (text && hist_set_new(&set, db, &options) >= 0) {
		if (sql_new(&sql, text, &err) < 0) {
			if (!*err.text)
				abort();
		} else {
			if (sql_translate(sql, set, "made", &texts, &err) >= 0)
				give(set, &texts);
			else if (!*err.text)
				abort();
			sql_texts_done(&texts);
			sql_free(sql);
		}
	}
	hist_set_free(set);
	mem_free(text);
	return 0;
}
