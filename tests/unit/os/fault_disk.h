/* SPDX-License-Identifier: Apache-2.0
 *
 * fault_disk - short ways to use a disk in memory (os/file_fault.h): what its tests share.
 */
#ifndef PHAROS_TESTS_FAULT_DISK_H
#define PHAROS_TESTS_FAULT_DISK_H

#include "os/file_fault.h"

#define IMAGE_SEEDS 64

struct file *open_file(struct file_fault *disk, const char *path, enum file_mode mode);
enum err_code write_at(struct file_fault *disk, struct file *f, const char *text, uint64_t offset);
enum err_code sync_file(struct file_fault *disk, struct file *f);
enum err_code sync_dir(struct file_fault *disk, const char *path);
enum err_code rename_file(struct file_fault *disk, const char *from, const char *to);
enum err_code close_file(struct file_fault *disk, struct file *f);
/* A closed file with synced content and a durable name. */
void make_durable(struct file_fault *disk, const char *path, const char *text);
/* The file's content, NUL-terminated, in out[size]; -1 if there is no such file. */
int64_t content_of(struct file_fault *disk, const char *path, char *out, size_t size);
bool exists(struct file_fault *disk, const char *path);

#endif
