# A bit of everything that Perl does. Prints the same on every machine.
use strict;
use warnings;
use Math::BigInt;
use Math::BigFloat;
use List::Util qw(sum shuffle);
use POSIX qw(floor fmod strftime);

my $rounds = shift;
my $state = 12345;

sub number {
    $state = ($state * 1103515245 + 12345) % 2147483648;
    return $state >> 8;
}

sub words_and_patterns {
    my @letters = ('a' .. 'z');
    my $text = join ' ', map {
        join '', map { $letters[number() % 26] } 1 .. 2 + number() % 6
    } 1 .. 2000;
    my %count;
    $count{$1}++ while $text =~ /\b(\w{2,3})\b/g;
    my @often = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
    print "words: @often, ", scalar(keys %count), " in all\n";
    (my $changed = $text) =~ s/([aeiou])(\w)/uc($2) . $1/ge;
    print "changed: ", unpack('%32C*', $changed), ' ', substr($changed, 0, 60), "\n";
    my $twice = () = $text =~ /(\w)\1/g;
    my $tr = ($text =~ tr/a-m//);
    print "doubled letters: $twice, first half of the alphabet: $tr\n";
    print "nested: $&\n" if '(a(b)(c(d)))x' =~ /(\((?:[^()]++|(?1))*+\))/;
}

sub hashes_and_sorting {
    my (%tree, @list);
    $tree{number() % 100}{number() % 10} += $_ for 1 .. 3000;
    push @list, map { my $k = $_; map { [$k, $_, $tree{$k}{$_}] } keys %{$tree{$k}} }
        keys %tree;
    @list = sort { $a->[2] <=> $b->[2] || $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] }
        @list;
    printf "hashes: %d, first %s, last %s, sum %d\n", scalar @list,
        join(',', @{$list[0]}), join(',', @{$list[-1]}), sum map { $_->[2] } @list;
}

sub numbers {
    my $factorial = Math::BigInt->new(60)->bfac;
    print "60! = $factorial\n";
    print "mod ", $factorial->copy->bmodpow(17, 1000000007), "\n";
    print "root ", Math::BigFloat->new(2)->bsqrt(50), "\n";
    my $x = 0;
    $x += sin($_) * exp(-$_ / 1000) / ($_ + 0.5) for 1 .. 2000;
    printf "%.9f %e %s %x %o %b %5.2f|%-8s|%+d\n", $x, 1e100 / 3, 1e15 + 0.3,
        3735928559, 511, 37, 2.345, 'left', 42;
    printf "%s %s %.15g %d\n", 9**20, 2**0.5, fmod(-7.5, 2), floor(-7.5);
    print "packed: ", unpack('H*', pack('NvCdfa5', 1, 2, 3, 1.5, -2.25, 'text')), "\n";
    print strftime('%Y-%m-%d %H:%M:%S', gmtime(1e9)), "\n";
}

sub processes {
    my @answers;
    for my $i (1 .. 5) {
        pipe my $in, my $out or die;
        my $pid = fork // die;
        if ($pid == 0) {
            print $out join(',', map { $_ * $i } 1 .. 10), "\n";
            close $out;
            POSIX::_exit($i);
        }
        close $out;
        push @answers, scalar <$in>;
        waitpid $pid, 0;
        push @answers, $? >> 8, "\n";
    }
    print @answers;
    my $result = eval {
        local $SIG{ALRM} = sub { die "alarm\n" };
        alarm 1;
        1 while 1;
    };
    print "ended by $@";
}

$| = 1;
words_and_patterns() for 1 .. 1 + $rounds / 50;
hashes_and_sorting();
numbers();
processes();
