/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over files and folders of files: the committed corpora become ordinary tests, with any compiler.
 * usage: <target> PATH ...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    /* An exact allocation, so that a read past the end is seen. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (data && size >= 0 && fread(data, 1, (size_t)size, f) == (size_t)size) {
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
        inputs++;
    }
    free(data);
    fclose(f);
}

static void run_path(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        run_file(path);
        return;
    }
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        char child[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        run_path(child);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%s - %zu inputs\n", inputs ? "ok" : "not ok", inputs);
    return inputs ? 0 : 1;
}
