#include "devices/ata_internal.h"
#include "devices/atapi_internal.h"

#include <assert.h>
#include <string.h>

static unsigned selected_index(const struct ata_channel *channel)
{
    return channel->drives[0].device & ATA_DEVICE_SELECT ? 1 : 0;
}

static struct ata_drive *selected(struct ata_channel *channel)
{
    return &channel->drives[selected_index(channel)];
}

static bool is_empty(const struct ata_channel *channel)
{
    return !channel->drives[0].kind && !channel->drives[1].kind;
}

/* -- interrupts -- */

void ata_channel_update_irq(struct ata_channel *channel)
{
    const struct ata_drive *drive = selected(channel);
    irq_set(&channel->irq, drive->kind && drive->interrupt &&
                               !(channel->control & ATA_CONTROL_NO_INTERRUPT));
}

/* Something has happened: the controller hears of a line that rises. */
static void show_interrupt(struct ata_channel *channel)
{
    bool was_high = channel->irq.level;
    ata_channel_update_irq(channel);
    if (channel->irq.level && !was_high) {
        channel->dma->interrupt(channel->dma_opaque);
    }
}

void ata_set_interrupt(struct ata_drive *drive, bool pending)
{
    drive->interrupt = pending;
    show_interrupt(drive->channel);
}

/* -- how commands end -- */

void ata_finish(struct ata_drive *drive)
{
    drive->status = ATA_STATUS_IDLE;
    drive->phase = ATA_PHASE_IDLE;
    ata_set_interrupt(drive, true);
}

void ata_fail(struct ata_drive *drive, uint8_t error)
{
    drive->error = error;
    drive->status = ATA_STATUS_IDLE | ATA_STATUS_ERROR;
    drive->phase = ATA_PHASE_IDLE;
    ata_set_interrupt(drive, true);
}

/* -- reset -- */

/* Settings as after power-on. */
static void set_defaults(struct ata_drive *drive)
{
    drive->heads = ATA_DEFAULT_HEADS;
    drive->sectors_per_track = ATA_DEFAULT_SECTORS_PER_TRACK;
    drive->multiple = ATA_MULTIPLE_MAXIMUM;
    drive->transfer_mode = ATA_TRANSFER_ULTRA_DMA | 5;
    drive->write_cache = true;
    drive->look_ahead = true;
}

void ata_put_signature(struct ata_drive *drive)
{
    bool packet = drive->kind == ATA_KIND_CDROM;
    drive->previous = (struct ata_task_file){0};
    drive->current = (struct ata_task_file){
        .sector_count = 1,
        .lba_low = 1,
        .lba_mid = packet ? ATA_PACKET_SIGNATURE_MID : 0,
        .lba_high = packet ? ATA_PACKET_SIGNATURE_HIGH : 0,
    };
}

/* Signature and status of a drive that has been reset or has diagnosed itself. A packet
 * device is not ready until it gets a command: ATA/ATAPI-6 section 9.12. */
static void sign(struct ata_drive *drive)
{
    ata_put_signature(drive);
    drive->device = ATA_DEVICE_ONES;
    drive->error = drive->kind ? ATA_DIAGNOSTIC_PASSED : 0;
    drive->status = drive->kind == ATA_KIND_DISK ? ATA_STATUS_IDLE : 0;
    drive->phase = ATA_PHASE_IDLE;
    drive->interrupt = false;
    drive->sleeping = false;
    if (drive->revert_to_defaults) {
        set_defaults(drive);
    }
}

/* A request that is under way cannot be called back: BSY stays until it has returned.
 */
static void reset_drive(struct ata_drive *drive)
{
    drive->interrupt = false;
    if (drive->then) {
        drive->reset_wanted = true;
    } else {
        sign(drive);
    }
}

static void power_on_drive(struct ata_drive *drive)
{
    set_defaults(drive);
    drive->smart = true;
    drive->standby = false;
    drive->revert_to_defaults = false;
    drive->extended = false;
    atapi_power_on(drive);
    reset_drive(drive);
}

void ata_reset_device(struct ata_drive *drive)
{
    uint8_t selected_drive = drive->device & ATA_DEVICE_SELECT;
    reset_drive(drive);
    drive->device |= selected_drive;
}

void ata_channel_reset(struct ata_channel *channel)
{
    channel->control = 0;
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        power_on_drive(&channel->drives[i]);
    }
}

void ata_channel_init(struct ata_channel *channel, struct log *log,
                      unsigned first_number, struct irq_line irq,
                      const struct ata_dma_ops *dma, void *dma_opaque)
{
    channel->irq = irq;
    channel->dma = dma;
    channel->dma_opaque = dma_opaque;
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        channel->drives[i].channel = channel;
        channel->drives[i].log = log;
        channel->drives[i].number = first_number + i;
    }
    ata_channel_reset(channel);
}

void ata_channel_attach(struct ata_channel *channel, unsigned index,
                        struct block_device *block)
{
    struct ata_drive *drive = &channel->drives[index];
    assert(!drive->then && (!block || block->sectors));
    drive->kind = block ? ATA_KIND_DISK : ATA_KIND_NONE;
    drive->block = block;
    drive->host_error_told = false;
    power_on_drive(drive);
    ata_channel_update_irq(channel);
}

struct removable_drive *ata_channel_attach_cdrom(struct ata_channel *channel,
                                                 unsigned index)
{
    struct ata_drive *drive = &channel->drives[index];
    ata_channel_attach(channel, index, NULL);
    drive->kind = ATA_KIND_CDROM;
    atapi_init(drive);
    power_on_drive(drive);
    return &drive->atapi.removable;
}

/* -- requests to the back end -- */

static void finish_late_reset(struct ata_drive *drive)
{
    drive->reset_wanted = false;
    sign(drive);
    if (drive->channel->control & ATA_CONTROL_RESET) {
        drive->status = ATA_STATUS_BUSY;
    }
    ata_channel_update_irq(drive->channel);
}

/* Goes on for as long as answers are there: a loop where continuations that submit
 * again would recurse once per request. */
static void run_continuations(struct ata_drive *drive)
{
    while (drive->completed) {
        ata_continuation *then = drive->then;
        drive->completed = false;
        drive->then = NULL;
        atapi_release_medium(drive);
        if (drive->reset_wanted) {
            finish_late_reset(drive);
        } else {
            then(drive, drive->result);
        }
    }
    drive->running = false;
}

static void request_completed(void *opaque, int result)
{
    struct ata_drive *drive = opaque;
    drive->result = result;
    drive->completed = true;
    if (!drive->running) {
        drive->running = true;
        run_continuations(drive);
    }
}

void ata_request(struct ata_drive *drive, enum block_operation operation,
                 uint8_t *buffer, uint32_t sectors, ata_continuation *then)
{
    bool outermost = !drive->running;
    drive->running = true;
    drive->phase = ATA_PHASE_REQUEST;
    drive->status = ATA_STATUS_BUSY;
    drive->then = then;
    struct block_request request = {
        .operation = operation,
        .sector = drive->sector + drive->block_done,
        .count = sectors,
        .buffer = buffer,
        .completion = request_completed,
        .opaque = drive,
    };
    block_device_submit(drive->block, &request);
    if (outermost) {
        run_continuations(drive);
    }
}

/* -- registers -- */

uint8_t ata_channel_alternate_status(const struct ata_channel *channel)
{
    const struct ata_drive *drive = &channel->drives[selected_index(channel)];
    return drive->kind ? drive->status : 0;
}

uint8_t ata_channel_read(struct ata_channel *channel, unsigned offset)
{
    struct ata_drive *drive = selected(channel);
    const struct ata_task_file *file =
        channel->control & ATA_CONTROL_HIGH_ORDER ? &drive->previous : &drive->current;
    if (is_empty(channel)) {
        return 0;
    }
    switch (offset) {
    case ATA_ERROR:
        return drive->error;
    case ATA_SECTOR_COUNT:
        return file->sector_count;
    case ATA_LBA_LOW:
        return file->lba_low;
    case ATA_LBA_MID:
        return file->lba_mid;
    case ATA_LBA_HIGH:
        return file->lba_high;
    case ATA_DEVICE:
        return drive->device;
    case ATA_STATUS:
        if (drive->interrupt) {
            ata_set_interrupt(drive, false);
        }
        return ata_channel_alternate_status(channel);
    default:
        return 0;
    }
}

static void push(uint8_t *current, uint8_t *previous, uint8_t value)
{
    *previous = *current;
    *current = value;
}

static void write_task_file(struct ata_drive *drive, unsigned offset, uint8_t value)
{
    struct ata_task_file *now = &drive->current, *before = &drive->previous;
    switch (offset) {
    case ATA_ERROR:
        push(&now->features, &before->features, value);
        break;
    case ATA_SECTOR_COUNT:
        push(&now->sector_count, &before->sector_count, value);
        break;
    case ATA_LBA_LOW:
        push(&now->lba_low, &before->lba_low, value);
        break;
    case ATA_LBA_MID:
        push(&now->lba_mid, &before->lba_mid, value);
        break;
    case ATA_LBA_HIGH:
        push(&now->lba_high, &before->lba_high, value);
        break;
    case ATA_DEVICE:
        drive->device = value | ATA_DEVICE_ONES;
        break;
    default:
        break;
    }
}

/* EXECUTE DEVICE DIAGNOSTIC is for both drives, whichever is selected. */
static void diagnose(struct ata_channel *channel)
{
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        sign(&channel->drives[i]);
    }
    ata_set_interrupt(&channel->drives[0], true);
}

/* A packet device takes this whatever else it is doing. */
static bool is_device_reset(const struct ata_drive *drive, unsigned offset,
                            uint8_t value)
{
    enum { DEVICE_RESET = 0x08 };
    return drive->kind == ATA_KIND_CDROM && offset == ATA_STATUS &&
           value == DEVICE_RESET;
}

static void write_command(struct ata_channel *channel, uint8_t command)
{
    enum { EXECUTE_DEVICE_DIAGNOSTIC = 0x90 };
    struct ata_drive *drive = selected(channel);
    bool other_busy =
        channel->drives[!selected_index(channel)].status & ATA_STATUS_BUSY;
    if (command == EXECUTE_DEVICE_DIAGNOSTIC && !other_busy &&
        !channel->drives[0].sleeping) {
        diagnose(channel);
    } else if (drive->kind && (drive->status & ATA_STATUS_DATA_REQUEST)) {
        log_guest_error(drive->log, "ata", "command %02x during a data transfer",
                        command);
    } else if (drive->kind) {
        ata_execute(drive, command);
    }
}

/* Both drives see every write; one that is busy ignores it. */
void ata_channel_write(struct ata_channel *channel, unsigned offset, uint8_t value)
{
    channel->control &= (uint8_t)~ATA_CONTROL_HIGH_ORDER;
    if (is_device_reset(selected(channel), offset, value)) {
        ata_reset_device(selected(channel));
        show_interrupt(channel);
        return;
    }
    if (selected(channel)->status & ATA_STATUS_BUSY) {
        return;
    }
    if (offset == ATA_STATUS) {
        write_command(channel, value);
        return;
    }
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        write_task_file(&channel->drives[i], offset, value);
    }
    if (offset == ATA_DEVICE) {
        show_interrupt(channel);
    }
}

void ata_channel_control(struct ata_channel *channel, uint8_t value)
{
    uint8_t changed = channel->control ^ value;
    channel->control =
        value & (ATA_CONTROL_NO_INTERRUPT | ATA_CONTROL_RESET | ATA_CONTROL_HIGH_ORDER);
    for (unsigned i = 0; (changed & ATA_CONTROL_RESET) && i < ATA_DRIVES; i++) {
        struct ata_drive *drive = &channel->drives[i];
        reset_drive(drive);
        if ((value & ATA_CONTROL_RESET) && drive->kind) {
            drive->status = ATA_STATUS_BUSY;
        }
    }
    show_interrupt(channel);
}

uint16_t ata_channel_read_data(struct ata_channel *channel)
{
    struct ata_drive *drive = selected(channel);
    if (drive->phase != ATA_PHASE_PIO_IN) {
        return 0;
    }
    uint16_t value;
    memcpy(&value, &drive->data[drive->position], sizeof(value));
    drive->position += sizeof(value);
    if (drive->position >= drive->length) {
        ata_data_moved(drive);
    }
    return value;
}

void ata_channel_write_data(struct ata_channel *channel, uint16_t value)
{
    struct ata_drive *drive = selected(channel);
    if (drive->phase != ATA_PHASE_PIO_OUT) {
        return;
    }
    memcpy(&drive->data[drive->position], &value, sizeof(value));
    drive->position += sizeof(value);
    if (drive->position >= drive->length) {
        ata_data_moved(drive);
    }
}

void ata_channel_dma_ready(struct ata_channel *channel)
{
    for (unsigned i = 0; i < ATA_DRIVES; i++) {
        if (channel->drives[i].phase == ATA_PHASE_DMA) {
            ata_run_dma(&channel->drives[i]);
        }
    }
}
