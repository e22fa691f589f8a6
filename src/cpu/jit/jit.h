/* cpu/jit/jit.h: guest code as native code.
 *
 * Blocks that the interpreter's code cache has decoded are translated as they are first
 * reached. The guest's EAX ECX EDX EBX EBP ESI EDI are in the host's registers of the
 * same number, ESP in R12, arithmetic flags in the host's flags, vector registers in
 * themselves; memory is reached by GS, whose base is a view (cpu/mmu/views.h), with
 * 32-bit addresses. R15 points to struct cpu, R13 holds how many instructions are left
 * of the budget, R14 the jump table (plus JUMP_TABLE_BIAS); R8 to R11 are scratch.
 *
 * What is not translated is handed to the interpreter, instruction by instruction. What
 * traps comes out by a signal with precise state: `offsets` tell which instruction it
 * was, and every instruction changes guest state only after its last possible trap.
 * Thread: the CPU's own. Saved by: nobody. */
#ifndef CPU_JIT_JIT_H
#define CPU_JIT_JIT_H

#include "cpu/core/engine.h"
#include "cpu/interpreter/code_cache.h"
#include "cpu/jit/emit.h"
#include "cpu/mmu/views.h"

#include <pthread.h>
#include <signal.h>

enum {
    HOST_CPU = HOST_R15,
    HOST_LEFT = HOST_R13,
    HOST_TABLE = HOST_R14,
    HOST_ESP = HOST_R12,
};

#define JIT_CODE_BYTES (128UL << 20)
#define JIT_RECORD_BYTES (256UL << 20)
enum {
    JIT_TRANSLATIONS = 1 << 20,
    JIT_LINKS = 1 << 21,
    JIT_CODE_PAGES = JIT_CODE_BYTES >> PAGE_SHIFT,
};

/* How translated code came back (struct translated_state, `exit`). */
enum jit_exit {
    JIT_EXIT_NOTHING, /* a request waits: nothing was run */
    JIT_EXIT_LOOKUP,  /* to cpu->eip, by an indirect jump */
    JIT_EXIT_LINK,    /* to cpu->eip, by the link `translated.link` */
    JIT_EXIT_LEFT,    /* after an instruction of the interpreter's; all accounted */
    JIT_EXIT_TRAP,    /* a signal, at `translated.pc` */
};

/* What translated code takes for granted about the CPU. ES, SS and DS have two bits
 * each (ASSUME_SEGMENT_BITS times the segment's number): enum segment_kind. */
enum {
    ASSUME_SEGMENT_BITS = 2,
    ASSUME_UPWARD = 1 << 11, /* DF is clear */
    ASSUME_VECTOR = 1 << 12, /* x87, MMX and SSE may be used */
    ASSUME_AVX = 1 << 13,
    ASSUME_USER = 1 << 14,
    ASSUME_EXACT = 1 << 15, /* budgets are: every block checks its own */
    ASSUME_RING0 = 1 << 16,
};

struct handed;

/* A shorter way than by the interpreter, for what is mostly simple: does the
 * instruction, or nothing at all. It finds EAX, ECX, EDX, ESI and EDI in struct cpu,
 * where it may change them, but not the rest of the state, and raises nothing. */
typedef bool quick_way(struct cpu *cpu, const struct handed *handed, uint32_t operand);

/* Nothing, a selector, or the linear address of the operand in memory. */
enum quick_operand { QUICK_NOTHING, QUICK_SELECTOR, QUICK_PLACE };

/* An instruction that is handed to the interpreter, as it wants to see it: followed by
 * one that ends the block. */
struct handed {
    struct instruction instruction, end;
    uint16_t rest_of_segment; /* instructions behind it that are paid for already */
    uint16_t rest_of_block;
    bool changes_assumptions; /* it may, and go on with its block */
    bool falls_through;       /* it leaves its block, but may go on */
    bool turns;               /* it is made to change the privilege */
    bool uses_vector; /* its translation does, so vector registers have to be live */
    quick_way *quick; /* NULL: there is none */
};

/* How translated code goes on after such an instruction: with the next one, with what
 * is at cpu->eip now, or not at all. */
enum handed_end { HANDED_LEAVES, HANDED_GOES_ON, HANDED_TURNS };

/* What FSTENV shall show of the last x87 instruction that has run natively, and of the
 * last that had an operand in memory. Translated code stores its number (struct
 * translated_state) when it leaves a block; C makes pointers of it when it
 * comes out. */
struct x87_note {
    uint32_t eip;
    uint16_t opcode;
    uint8_t segment;
    bool memory;
};

/* A direct exit of a translation. It leads to its stub, which asks for the target,
 * until it is linked to the target itself. */
struct link {
    /* Of user code's, while they join two pages: lists by either (links.c). */
    struct link *next_from, *next_into;
    struct link **from_place, **into_place;
    struct translation *to; /* NULL: not linked */
    uint32_t from_eip, eip; /* of both ends: their translations' starts */
    uint8_t cuts;           /* how often another view's code cut it */
    bool live;              /* vector registers are, if `from` uses them */
    bool listed;            /* in jit->supervisor_links */
    struct link *next_to;   /* links to the same translation… */
    struct link **place;    /* …and where that list, or the one before, points here */
    const struct translation *from;
    const uint8_t *site; /* of the 4 bytes of relative address */
    const uint8_t *stub;
};

struct translation {
    struct block *block;
    uint32_t eip;
    uint32_t assumptions;
    const uint8_t *indirect; /* entry that expects R8D = EIP, or asks for another */
    const uint8_t *code;     /* entry */
    uint8_t unchecked; /* from there to the entry without a check of the budget… */
    uint8_t live;      /* …nor of the vector registers */
    struct link *incoming;
    uint32_t count;
    uint32_t noted;   /* bits of native x87 instructions that are to be noted */
    uint32_t handed;  /* bits of instructions that are left to the interpreter */
    bool uses_vector; /* checks on entry that vector registers are live */
    uint8_t soft_traps[BLOCK_INSTRUCTIONS];
    uint16_t rest[BLOCK_INSTRUCTIONS];        /* of the segment, this one included */
    uint16_t offsets[BLOCK_INSTRUCTIONS + 1]; /* from `code` */
};

/* Where indirect jumps go, by EIP. One for each view. */
enum {
    JUMP_TABLE_BITS = 15,
    JUMP_TABLE_ROTATION = 14, /* more than a page: a page's entries are consecutive */
    JUMP_TABLE_ENTRIES = 1 << JUMP_TABLE_BITS,
    JUMP_TABLE_BYTES = JUMP_TABLE_ENTRIES * 8,
    /* Behind it nothing is mapped: that is how a budget that is used up traps. */
    JUMP_TABLE_GUARD = 1 << 16,
    /* R14's low six bits are a shift count: what remains of a negative budget is large
     * enough an index to hit the guard. */
    JUMP_TABLE_BIAS = 51,
};

/* Translated calls and returns are paired by calls and returns of the host, which
 * predicts them. Its stack forgets at each exit, and when it is full. */
enum {
    JIT_STACK_GUARD = PAGE_BYTES,
    JIT_STACK_BYTES = 64 << 10,
    JIT_STACK_BOTTOM = PAGE_BYTES, /* holds `unpaired` */
};

/* Budgets above this are cut: the shift above must see no bits. */
#define JIT_BUDGET_MAXIMUM (1LL << 50)
/* What is left of a budget for code that does not check it: user code while the CPU
 * runs freely. No run lasts that long. */
#define JIT_BUDGET_FREE (1LL << 45)

/* In place of a trap's vector: translated code was stopped for a request. */
enum { JIT_TRAP_KICK = 256 };

struct jump_table {
    const uint8_t **entries; /* NULL: not made */
    uint32_t assumptions;
};

struct jit_statistics {
    uint64_t translated_blocks, translated_instructions, translated_bytes, flushes;
    uint64_t exits[JIT_EXIT_TRAP + 1];
    uint64_t page_traps, soft_traps, budget_traps, vector_traps, other_traps;
    uint64_t kicks;
    uint64_t handed_over; /* instructions executed by the interpreter within a block */
    uint64_t interpreted_blocks;
    uint64_t links, unlinks;
    /* Of the host's time stamp counter; both clocks as the first translation began. */
    uint64_t translating_cycles, first_cycles, first_ns;
    uint64_t handed_by_row[2048];
};

enum { JIT_SIGNALS = 7, JIT_PAGE_LISTS = 1 << 18, JIT_LEFT_BLOCKS = 4096 };

struct jit {
    struct cpu *cpu;
    struct emitter emitter; /* at the end of what is translated */
    struct emitter stubs;   /* likewise, of what is rarely run: kept apart */
    uint8_t *code_written;  /* the code's memory as it is written… */
    const uint8_t *code;    /* …and as it is executed */
    const uint8_t *stubs_start;
    const uint8_t *gathered, *stubs_gathered; /* up to where in huge pages */
    const uint8_t *code_end;
    const uint8_t *translations_start; /* behind the glue */
    uint8_t *records;                  /* translations, links, handed instructions */
    size_t records_used;
    struct translation **by_address; /* in the order of their code */
    uint32_t translation_count;
    uint32_t
        first_in_page[JIT_CODE_PAGES]; /* of those that begin in a page, or behind */
    uint32_t pages_begun;
    struct link **links;
    uint32_t link_count;
    struct link **supervisor_links; /* those that are, or were, linked */
    uint32_t supervisor_link_count;
    /* Links that join two pages of user code, by these pages' linear addresses. */
    struct link *links_from[JIT_PAGE_LISTS], *links_into[JIT_PAGE_LISTS];
    struct jump_table tables[VIEWS_MAXIMUM];
    struct link *pending_link; /* by which translated code has just come out */
    uint8_t *view_base;        /* that GS has */
    /* Instructions that only the interpreter can make have trapped, one soon after the
     * other: `length` instructions from number `from` on are all interpreted. */
    struct {
        uint64_t last; /* trap: instructions retired by then */
        unsigned count;
        uint64_t from, length;
    } streak;
    /* With instructions that were left to the interpreter while somebody watched
     * memory, perhaps for that: they are tried again when he has gone. Those for which
     * there is no room stay as they are. */
    struct block *left_blocks[JIT_LEFT_BLOCKS];
    uint32_t left_count;
    bool vector_allowed;
    bool user_was_live; /* vector registers, when user code came out last */

    /* Glue: see glue.c. */
    uint32_t (*enter)(struct cpu *cpu, const uint8_t *code);
    const uint8_t *exit_lookup, *exit_link, *exit_trap, *interpret, *quick, *indirect,
        *unpaired;
    /* Within these nobody will look at requests any more; who comes from there to
     * `back` has not entered translated code. */
    struct {
        const uint8_t *first, *end, *back;
    } entering[4];

    /* Of an engine that has the host's processor execute guest code (cpu/direct): is
     * asked of each signal first; true if it was its. In the signal's handler, which is
     * entered at `signal_entry`. And of what follows when the privilege has changed:
     * whether it is the processor's. */
    struct {
        bool (*handle)(void *opaque, int number, const siginfo_t *info, void *context);
        bool (*executes)(void *opaque);
        void (*signal_entry)(int number, siginfo_t *info, void *context);
        void *opaque;
    } direct;

    struct sigaction previous_actions[JIT_SIGNALS];
    uint8_t *stack; /* of translated code: a guard, JIT_STACK_BYTES, JIT_STACK_BOTTOM */
    void *signal_stack;
    pthread_t thread;
    atomic_bool active; /* within the engine's run */

    struct handed single; /* the instruction that has trapped */
    struct jit_statistics statistics;
};

/* run.c: struct cpu_engine, `run`. */
enum cpu_exit jit_run(struct cpu *cpu, uint64_t budget);
/* The same with another run_next (run_loop.h), which may leave its work to
 * jit_run_next(). */
enum cpu_exit jit_run_with(struct cpu *cpu, uint64_t budget,
                           void (*run_next)(struct cpu *cpu));
void jit_run_next(struct cpu *cpu);
/* The privilege has changed in the midst of translated code: whether that may go on at
 * cpu->eip by the jump table, as nothing waits for the run loop. */
bool jit_turn(struct cpu *cpu);
/* Whether code at CS:EIP is of the kind that is translated: 32 bits, flat, protected.
 */
bool jit_supports(const struct cpu *cpu);
/* Whether the budget is too short for code that does not check it: then a new one has
 * been asked for, by the end of the run. */
bool jit_asks_for_budget(struct cpu *cpu);
/* GS has another base than the JIT gave it. */
void jit_forget_gs(struct jit *jit);
/* What translated code may take for granted now. */
uint32_t jit_assumptions(const struct cpu *cpu);

/* handed.c */

/* Executes one instruction by the interpreter: called by translated code. */
enum handed_end jit_interpret(struct cpu *cpu, const struct handed *handed);
/* Executes the instruction; true if it has come to its end and the next follows. */
bool jit_execute(struct cpu *cpu, const struct handed *handed);
/* The quick way of an instruction, or NULL, and what operand it wants. `alone`: it has
 * trapped, so it is not translated. */
quick_way *jit_quick_way(const struct instruction *instruction, bool alone,
                         enum quick_operand *operand);
/* Translated code is left behind an instruction that a quick way has done: called by
 * it. */
void jit_leave_quick(struct cpu *cpu, const struct handed *handed);
/* `handed` for this instruction, but for what depends on its place. */
void jit_hand(struct handed *handed, const struct instruction *instruction);
/* Whether translated code may go on where `paid` instructions have been taken from the
 * budget, and `rest` of the block are to come. `assumed`: what it takes for granted has
 * not changed. */
bool jit_may_go_on(struct cpu *cpu, unsigned paid, unsigned rest, bool assumed);
/* Translated code has come out: how many instructions there were. `paid`: those that
 * were not executed, and yet taken from the budget. */
void jit_account(struct cpu *cpu, unsigned paid);
/* For which requests translated code is to come out: interrupts that cannot be taken
 * have to wait. */
void jit_choose_requests(struct cpu *cpu);
/* Translations that use vector registers find them live. */
void jit_make_live(struct cpu *cpu, bool uses_vector);
/* Before anything may look at the x87's pointers, or load a segment. */
void jit_take_note(struct cpu *cpu);
/* Translated code has been left before instruction `i`, not where it notes things. */
void jit_take_note_before(struct cpu *cpu, const struct translation *translation,
                          unsigned i);

/* run.c: whether instructions are interpreted for a while; how many are left of it. */
static inline uint64_t jit_streak_left(const struct jit *jit)
{
    /* Time may have been put back to before it. */
    uint64_t done = jit->cpu->retired - jit->streak.from;
    return done < jit->streak.length ? jit->streak.length - done : 0;
}

/* traps.c */

/* Translated code has trapped: does what it could not. Where it goes on; NULL: back to
 * the run loop. */
const uint8_t *jit_after_trap(struct jit *jit);
/* A new translation, behind all others in memory. */
void jit_add_translation(struct jit *jit, struct translation *translation);
/* Whether all guest state is where it belongs at `pc`, and it is known which
 * instruction comes next there. */
bool jit_is_between_instructions(const struct jit *jit, const uint8_t *pc);

/* statistics.c. Around each translation, with vector registers parked: the host's time
 * stamp counter, which is a hundred times cheaper to read than a block to translate. */
uint64_t jit_translation_begins(struct jit *jit);
void jit_show_statistics(const struct cpu *cpu, cpu_show_statistic *show, void *opaque);

/* glue.c: makes the code between C and translations. */
void jit_make_glue(struct jit *jit);
/* Parts of it: the beginning of a function `uint32_t f(struct cpu *, …)`, which leaves
 * R15 = the CPU; and what returns from it with this exit, wherever the stack is. */
void jit_emit_begin(struct emitter *e);
void jit_emit_leave(struct emitter *e, uint32_t exit);
/* mov eax, [requests]; test [request], eax; jnz: returns where the 4 bytes of its
 * target are. */
const uint8_t *jit_emit_jump_if_requested(struct emitter *e);

/* signals.c: SIGSEGV and SIGFPE of translated code, and the kicks of other threads.
 * Around runs of the engine; signals stay taken until the end. */
bool jit_signals_create(struct jit *jit, struct error *error);
void jit_signals_handle(int number, siginfo_t *info, void *context);
void jit_signals_destroy(struct jit *jit);
void jit_signals_begin(struct jit *jit);
void jit_signals_end(struct jit *jit);
/* To whoever had them before; the next run takes them again. */
void jit_signals_give_back(struct jit *jit);

/* Makes sure that there is room for a translation; false if everything had to be
 * forgotten for it, the block at hand included. */
bool jit_make_room(struct jit *jit);
bool jit_has_room(const struct jit *jit);

enum { RECORD_UNIT = 16 }; /* notes are numbered by where they are */

/* translate.c. NULL when everything had to be forgotten to make room. */
struct translation *jit_translate(struct jit *jit, struct block *block,
                                  uint32_t assumptions);

/* trace.c: `translation` has just been made; its stubs begin at `stubs`. To be called
 * only while TRACE_OUT_ASM is traced. */
void jit_trace_translation(struct jit *jit, const struct translation *translation,
                           const uint8_t *stubs);

/* links.c */

/* Joins what the link leads from and to if that is right wherever it is run; else leads
 * it through the jump table. The current view has noted the code of both. */
void jit_link(struct jit *jit, struct link *link, struct translation *to);
/* The current view has just noted code at `page`: cuts what leads from there to where
 * it has noted nothing yet, or something else. */
void jit_cut_from(struct jit *jit, gla_t page);
/* A view has forgotten code at `page`: cuts what leads there from where it has code,
 * and what leads from there if no view has code there. */
void jit_cut_at(struct jit *jit, unsigned view, gla_t page);
/* To the address in R8D, by the jump table; as a call of the host's or a jump. */
void jit_emit_indirect(struct emitter *e, bool call);
/* mov r8d, eip; jmp [table] */
void jit_emit_table_jump(struct emitter *e, uint32_t eip);
/* All of them, with all translations. */
void jit_forget_links(struct jit *jit);
/* In the supervisor's view code has moved: cuts the links there. */
void jit_unlink_supervisor(struct jit *jit);
/* A translation is no longer to be entered. */
void jit_forget(struct jit *jit, struct translation *translation);
/* The table for the view, made or emptied if it was for other assumptions; NULL: no
 * memory. */
struct jump_table *jit_table(struct jit *jit, unsigned view, uint32_t assumptions);
void jit_table_forget_page(struct jit *jit, unsigned view, gla_t page);
void jit_table_forget_all(struct jit *jit, unsigned view);

static inline unsigned jump_table_index(uint32_t eip)
{
    return (eip + (eip >> JUMP_TABLE_ROTATION)) & (JUMP_TABLE_ENTRIES - 1);
}

/* Another instruction, behind those that the note is of. */
void jit_add_x87_note(struct x87_note *note, const struct instruction *instruction);

/* From what R14 holds to an entry of the jump table. */
static inline int32_t jump_table_offset(unsigned index)
{
    return (int32_t)(index * 8) - JUMP_TABLE_BIAS;
}

#endif
