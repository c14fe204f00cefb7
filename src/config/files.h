#pragma once

#include "config/parse.h"

/* The whole file, to a newly allocated buffer; 0 or -errno. */
int files_read(const char *file, char **text, size_t *len);
/* Reads one more file; its tree's root, or NULL after telling the error. */
const struct node *files_add(struct parse *p, const char *file, const char *text, size_t len);
/* A newly allocated path, relative ones resolved; NULL without memory. */
char *files_path(struct parse *p, const char *path);
