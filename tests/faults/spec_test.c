/* The text form of faults: what is taken, and what is said to what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "faults/spec.h"

static struct fault_spec parse(const char *text)
{
    struct fault_spec spec;
    struct error error = {.text = ""};
    bool good = fault_spec_parse(&spec, "-fault", text, &error);
    assert_string_equal(error.text, "");
    assert_true(good);
    return spec;
}

static void takes_all_keys(void **state)
{
    struct fault_spec spec =
        parse("target=ram,address=0x1234,bit=3,model=flip,when=instruction:1000000");
    assert_int_equal(spec.target, FAULT_RAM);
    assert_int_equal(spec.model, FAULT_FLIP);
    assert_int_equal(spec.address, 0x1234);
    assert_int_equal(spec.mask[0], 8);
    assert_int_equal(spec.when.event, FAULT_INSTRUCTION);
    assert_int_equal(spec.when.at, 1000000);
    assert_int_equal(spec.duration, FAULT_TRANSIENT);
    assert_int_equal(spec.uses, 0);

    spec = parse("id=a,target=register,name=xmm3,bit=127,model=stuck1,when=time:5ms,"
                 "duration=intermittent,period=2us,duty=25,probability=0.5,seed=7");
    assert_string_equal(spec.id, "a");
    assert_int_equal(spec.mask[15], 0x80);
    assert_int_equal(spec.when.at, 5000000);
    assert_int_equal(spec.period_ns, 2000);
    assert_int_equal(spec.duty, 25);
    assert_true(spec.probability == 0.5);
    assert_true(spec.has_seed);

    spec = parse("target=disk,model=error,sector=7,on=read");
    assert_int_equal(spec.sector, 7);
    assert_int_equal(spec.sectors, 1);
    assert_int_equal(spec.uses, 1);
    assert_int_equal(spec.uses_of, FAULT_ON_READ);
    assert_int_equal(spec.when.event, FAULT_NOW);

    spec = parse("target=power,model=cut,when=text:a,,b,count=2,serial=1,cache=1M");
    assert_string_equal(spec.when.text, "a,b");
    assert_int_equal(spec.when.count, 2);
    assert_int_equal(spec.when.line, 1);
    assert_int_equal(spec.cache_bytes, 1 << 20);

    spec = parse("target=ram,model=flip,address=0,when=symbol:do_fork+0x10,count=2,"
                 "process=init");
    assert_int_equal(spec.when.event, FAULT_SYMBOL);
    assert_string_equal(spec.when.text, "do_fork+0x10");
    assert_string_equal(spec.when.process, "init");
    spec = parse("target=ram,model=flip,address=0,when=screen:login:,count=2");
    assert_int_equal(spec.when.event, FAULT_SCREEN);
    assert_string_equal(spec.when.text, "login:");
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"ram", "write KEY=VALUE"},
        {"model=flip", "the targets are ram, register, code, tlb, port, mmio, dma"},
        {"target=rom", "the targets are ram"},
        {"target=ram", "the models are flip, stuck0, stuck1, set, toggle"},
        {"target=ram,model=lost", "the models are flip"},
        {"target=irq,model=flip", "the models are lost, spurious, delay"},
        {"target=ram,model=flip", "say address=NUMBER"},
        {"target=ram,model=flip,address=x", "give a number from 0"},
        {"target=ram,model=flip,address=0,width=3", "1, 2, 4 or 8"},
        {"target=ram,model=flip,address=0,bit=8", "from 0 to 7"},
        {"target=ram,model=flip,address=0,bit=6,bits=3", "from 1 to 2"},
        {"target=ram,model=flip,address=0,bit=1,mask=1", "not both"},
        {"target=ram,model=flip,address=0,value=1", "goes with model=set"},
        {"target=ram,model=set,address=0", "goes with model=set"},
        {"target=ram,model=flip,address=0,duration=permanent", "cannot be permanent"},
        {"target=ram,model=flip,address=0,for=5", "for= and uses= are for"},
        {"target=ram,model=stuck0,address=0", "say for=TIME"},
        {"target=ram,model=stuck0,address=0,uses=1", "uses are not counted"},
        {"target=ram,model=stuck0,address=0,duration=short", "transient, intermittent"},
        {"target=ram,model=flip,address=0,duration=intermittent", "say period=TIME"},
        {"target=port,model=flip,address=0,for=5,uses=1", "not both"},
        {"target=port,model=flip,address=0,duration=permanent,for=5",
         "are for what is"},
        {"target=register,model=flip,name=rax", "the registers are eax to edi"},
        {"target=register,model=flip,name=ax,bit=1", "the registers are"},
        {"target=ram,model=flip,address=0,when=later", "it can be now, instruction:N"},
        {"target=ram,model=flip,address=0,when=now:1", "it can be now"},
        {"target=ram,model=flip,address=0,when=interrupt:256", "it can be now"},
        {"target=ram,model=flip,address=0,when=in:65536", "it can be now"},
        {"target=ram,model=flip,address=0,when=text:", "it can be now"},
        {"target=ram,model=flip,address=0,when=time:5m", "it can be now"},
        {"target=ram,model=flip,address=0,count=2", "count= goes with when="},
        {"target=ram,model=flip,address=0,when=time:1,cr3=1", "cr3= goes with"},
        {"target=ram,model=flip,address=0,when=text:a,process=b", "process= goes with"},
        {"target=ram,model=flip,address=0,when=in:1,process=1234567890123456",
         "give 1 to 15 letters"},
        {"target=ram,model=flip,address=0,when=symbol:", "it can be now"},
        {"target=ram,model=flip,address=0,when=screen", "it can be now"},
        {"target=ram,model=flip,address=0,when=screen:a,serial=0", "serial= goes with"},
        {"target=ram,model=flip,address=0,when=execute:1,equals=1", "equals= goes"},
        {"target=ram,model=flip,address=0,when=read:1,space=io", "linear or physical"},
        {"target=disk,model=delay", "say delay=TIME"},
        {"target=disk,model=delay,delay=5h", "give a time, as 5ms"},
        {"target=disk,model=torn,on=read", "is of writes"},
        {"target=disk,model=error,on=seek", "read, write or both"},
        {"target=network,model=rate", "say rate=BYTES"},
        {"target=network,model=lost,probability=2", "from 0 to 1"},
        {"target=network,model=lost,probability=nan", "from 0 to 1"},
        {"target=power,model=cut,duration=permanent", "cannot be permanent"},
        {"target=irq,model=lost,line=16", "from 0 to 15"},
        {"target=irq,model=lost,line=nmi", "the model is spurious"},
        {"target=serial,model=break,duration=permanent", "cannot be permanent"},
        {"target=dma,model=flip,bytes=4", "goes with address="},
        {"target=ram,model=flip,row=1,address=2", "give address=, or row="},
        {"target=ram,model=flip,row=1,data-line=2", "give address=, or row="},
        {"target=ram,model=flip,data-line=2", "the models of lines are stuck0"},
        {"target=ram,model=toggle,row=2,for=1",
         "the models of rows, columns and chips"},
        {"target=ram,model=stuck0,data-line=2,bit=1,for=1", "a line has no bits"},
        {"target=ram,model=flip,chip=8", "from 0 to 7"},
        {"target=ram,model=stuck0,address-line=2,for=1", "from 3 to 31"},
        {"target=clock,model=jump,name=rtc", "has by=TIME"},
        {"target=clock,model=drift,name=rtc,ppm=0,for=1", "has ppm=N"},
        {"target=tlb,model=flip", "say address=NUMBER"},
        {"target=tlb,model=flip,address=0,width=4", "leave out width="},
        {"target=ram,model=flip,address=0,colour=red", "no property colour"},
        {"target=ram,model=flip,address=0,line=1", "no property line"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct fault_spec spec;
        struct error error = {.text = ""};
        bool good = fault_spec_parse(&spec, "-fault", rows[i].text, &error);
        if (good || !strstr(error.text, rows[i].says) || strchr(error.text, '\n')) {
            fail_msg("%s: '%s'", rows[i].text, error.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_keys),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
