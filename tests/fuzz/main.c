/* Runs a fuzz target over files, without a fuzzer. Copies of exact size, so that a byte read too many shows. */
#include "fuzz.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *data = malloc(1 << 20), *copy;
		size_t len;

		if (!f || !data) {
			fprintf(stderr, "cannot read %s\n", argv[i]);
			return 1;
		}
		len = fread(data, 1, 1 << 20, f);
		fclose(f);
		copy = malloc(len ? len : 1);
		HOLDS(copy);
		memcpy(copy, data, len);
		free(data);
		fprintf(stderr, "%s\n", argv[i]); /* the last one named is the one that crashed */
		LLVMFuzzerTestOneInput(copy, len);
		free(copy);
	}
	printf("%d files\n", argc - 1);
	return 0;
}
