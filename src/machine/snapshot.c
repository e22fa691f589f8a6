#include "machine/snapshot.h"

#include "machine/configuration.h"
#include "machine/machine_state.h"
#include "machine/snapshot_runs.h"
#include "state/archive.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char configuration_name[] = "configuration", state_name[] = "state",
                  ram_name[] = "ram";

enum { MOST_STATE_BYTES = 64 << 20 };

static void name_disk(char section[ARCHIVE_NAME_BYTES], const char *drive)
{
    snprintf(section, ARCHIVE_NAME_BYTES, "disk %s", drive);
}

/* -- saving -- */

static void save_buffer(struct archive_writer *writer, const char *name,
                        struct state_buffer *buffer)
{
    archive_begin_section(writer, name, buffer->length);
    archive_write(writer, buffer->bytes, buffer->length);
    state_buffer_free(buffer);
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

static void save_ram(struct archive_writer *writer, const struct ram *ram)
{
    struct runs runs = {0};
    for (uint64_t offset = ram_next_page(ram, 0); offset < ram->bytes;
         offset = ram_next_page(ram, offset + PAGE_BYTES)) {
        if (!is_zero(ram->host + offset)) {
            runs_add(&runs, offset >> PAGE_SHIFT);
        }
    }
    archive_begin_section(writer, ram_name, runs_bytes(&runs, PAGE_BYTES));
    for (size_t i = 0; i < runs.count; i++) {
        const struct run *run = &runs.items[i];
        archive_write(writer, run, sizeof(*run));
        archive_write(writer, ram->host + (run->first << PAGE_SHIFT),
                      run->count << PAGE_SHIFT);
    }
    runs_free(&runs);
}

static bool save_run(struct archive_writer *writer, struct block_backend *backend,
                     const struct run *run)
{
    enum { PIECE_SECTORS = 128 };
    uint8_t bytes[PIECE_SECTORS * BLOCK_SECTOR_BYTES];
    archive_write(writer, run, sizeof(*run));
    for (uint64_t done = 0; done < run->count; done += PIECE_SECTORS) {
        uint64_t left = run->count - done;
        uint32_t part = left < PIECE_SECTORS ? (uint32_t)left : PIECE_SECTORS;
        if (!block_read_now(backend, run->first + done, part, bytes)) {
            return false;
        }
        archive_write(writer, bytes, (size_t)part * BLOCK_SECTOR_BYTES);
    }
    return true;
}

static bool save_disk(struct archive_writer *writer, struct block_backend *backend,
                      const char *name, struct error *error)
{
    char section[ARCHIVE_NAME_BYTES];
    struct runs runs = {0};
    uint64_t end = block_device_of(backend)->sectors;
    for (uint64_t sector = block_next_written(backend, 0); sector < end;
         sector = block_next_written(backend, sector + 1)) {
        runs_add(&runs, sector);
    }
    name_disk(section, name);
    archive_begin_section(writer, section, runs_bytes(&runs, BLOCK_SECTOR_BYTES));
    bool saved = true;
    for (size_t i = 0; saved && i < runs.count; i++) {
        saved = save_run(writer, backend, &runs.items[i]);
    }
    runs_free(&runs);
    return saved || error_set(error, "cannot read drive %s for a snapshot", name);
}

static bool save_disks(struct archive_writer *writer, struct machine *machine,
                       struct error *error)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES];
        struct block_backend *backend = disks_at(machine, i, name);
        if (backend && block_keeps_image(backend) &&
            !block_device_of(backend)->read_only &&
            !save_disk(writer, backend, name, error)) {
            return false;
        }
    }
    return true;
}

bool snapshot_save(struct machine *machine, int fd, const char *file,
                   struct error *error)
{
    struct state_buffer configuration = {0}, state = {0};
    assert(machine->powered_on);
    disks_settle(machine);
    if (!disks_are_idle(machine, error)) {
        return false;
    }
    struct archive_writer *writer = malloc(sizeof(*writer));
    assert(writer);
    configuration_describe(machine, &configuration);
    machine_state_save(machine, &state);
    archive_begin(writer, fd);
    save_buffer(writer, configuration_name, &configuration);
    save_buffer(writer, state_name, &state);
    save_ram(writer, &machine->ram);
    bool saved =
        save_disks(writer, machine, error) && archive_finish(writer, file, error);
    free(writer);
    return saved;
}

/* -- loading -- */

static bool damaged(const struct archive *archive, const char *section,
                    struct error *error)
{
    return error_set(error, "snapshot %s is damaged: its section \"%s\" makes no sense",
                     archive->file, section);
}

static bool find_runs(const struct archive *archive, const char *name,
                      size_t unit_bytes, uint64_t end, struct run_reader *reader)
{
    size_t length = 0;
    const uint8_t *bytes = archive_find(archive, name, &length);
    *reader = (struct run_reader){
        .next = bytes, .left = length, .unit_bytes = unit_bytes, .end = end};
    return bytes;
}

static bool find_ram(const struct machine *machine, const struct archive *archive,
                     struct run_reader *reader)
{
    return find_runs(archive, ram_name, PAGE_BYTES, machine->ram.bytes >> PAGE_SHIFT,
                     reader);
}

/* `*has`: it was saved with what had been written to it. */
static bool check_disk(const struct archive *archive,
                       const struct block_backend *backend, uint64_t sectors,
                       const char *name, struct error *error)
{
    char section[ARCHIVE_NAME_BYTES];
    struct run_reader reader;
    name_disk(section, name);
    if (!find_runs(archive, section, BLOCK_SECTOR_BYTES, sectors, &reader)) {
        return true;
    }
    if (!runs_are_valid(reader)) {
        return damaged(archive, section, error);
    }
    return block_keeps_image(backend) ||
           error_set(error,
                     "snapshot %s has what the guest wrote to drive %s, and it must "
                     "not go to the image: load it with -snapshot",
                     archive->file, name);
}

static bool check_disks(struct machine *machine, const struct archive *archive,
                        struct error *error)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES];
        struct block_backend *backend = disks_at(machine, i, name);
        if (backend && !check_disk(archive, backend, block_device_of(backend)->sectors,
                                   name, error)) {
            return false;
        }
    }
    return true;
}

static void load_disks(struct machine *machine, const struct archive *archive)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES], section[ARCHIVE_NAME_BYTES];
        struct block_backend *backend = disks_at(machine, i, name);
        struct run_reader reader;
        struct run run;
        const uint8_t *bytes;
        if (!backend || !block_keeps_image(backend) ||
            block_device_of(backend)->read_only) {
            continue;
        }
        struct block_layer *layer = block_layer_make();
        name_disk(section, name);
        find_runs(archive, section, BLOCK_SECTOR_BYTES,
                  block_device_of(backend)->sectors, &reader);
        while (run_reader_next(&reader, &run, &bytes)) {
            for (uint64_t j = 0; j < run.count; j++) {
                block_layer_put(layer, run.first + j, bytes + j * BLOCK_SECTOR_BYTES);
            }
        }
        block_replace_written(backend, layer);
        block_layer_release(layer);
    }
}

static void load_ram(struct machine *machine, struct run_reader reader)
{
    struct ram *ram = &machine->ram;
    struct run run;
    const uint8_t *bytes;
    ram_forget(ram);
    while (run_reader_next(&reader, &run, &bytes)) {
        memcpy(ram->host + (run.first << PAGE_SHIFT), bytes, run.count << PAGE_SHIFT);
    }
    if (machine->memory.listener.code_written) {
        machine->memory.listener.code_written(machine->memory.listener.opaque, 0,
                                              ram->bytes);
    }
}

static bool load_state(struct machine *machine, const struct archive *archive,
                       struct error *error)
{
    struct state_buffer state = {0};
    state.bytes = (uint8_t *)archive_find(archive, state_name, &state.length);
    if (!state.bytes) {
        return damaged(archive, state_name, error);
    }
    struct error why;
    if (!machine_state_load(machine, &state, &why)) {
        return error_set(error, "snapshot %s: %.800s", archive->file, why.text);
    }
    return true;
}

/* Nothing can fail any more once the state is loaded. */
bool snapshot_apply(struct machine *machine, const struct archive *archive,
                    struct error *error)
{
    size_t length = 0;
    struct run_reader ram;
    const uint8_t *configuration = archive_find(archive, configuration_name, &length);
    if (machine->checkpoints) {
        return error_set(error,
                         "a machine of which there are checkpoints cannot load a "
                         "snapshot: free them first");
    }
    if (!configuration) {
        return damaged(archive, configuration_name, error);
    }
    if (!configuration_check(machine, configuration, length, archive->file, error)) {
        return false;
    }
    if (!find_ram(machine, archive, &ram) || !runs_are_valid(ram)) {
        return damaged(archive, ram_name, error);
    }
    disks_settle(machine);
    if (!disks_are_idle(machine, error) || !check_disks(machine, archive, error) ||
        !load_state(machine, archive, error)) {
        return false;
    }
    load_ram(machine, ram);
    load_disks(machine, archive);
    return true;
}

/* No file that is worth reading is larger: all of memory and disks, and a run for each
 * page or sector. */
static uint64_t most_bytes(struct machine *machine)
{
    uint64_t bytes = MOST_STATE_BYTES + 2 * machine->ram.bytes;
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES];
        const struct block_backend *backend = disks_at(machine, i, name);
        if (backend) {
            bytes += 2 * block_device_of((struct block_backend *)backend)->sectors *
                     BLOCK_SECTOR_BYTES;
        }
    }
    return bytes;
}

bool snapshot_load(struct machine *machine, int fd, const char *file,
                   struct error *error)
{
    struct archive archive;
    if (!archive_read(&archive, fd, file, most_bytes(machine), error)) {
        return false;
    }
    bool loaded = snapshot_apply(machine, &archive, error);
    archive_free(&archive);
    return loaded;
}
