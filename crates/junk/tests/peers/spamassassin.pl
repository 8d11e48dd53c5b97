# spamassassin.pl BAYES OUT HOME CORPUS: scores of CORPUS/test, a message a line: class, score. BAYES 1: after its Bayes was
# taught CORPUS/train. Without the network.
use strict;
use Mail::SpamAssassin;

my ($bayes, $out, $home, $corpus) = @ARGV;
my $rules = "use_bayes $bayes\nbayes_auto_learn 0\nbayes_path $home/bayes\nuse_txrep 0\nlock_method flock\n";
my $filter = Mail::SpamAssassin->new({
    local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => "$home/user_prefs", userstate_dir => $home,
    home_dir_for_helpers => $home, post_config_text => $rules,
});
$filter->init(1);

sub slurp { local $/; open my $file, '<', $_[0] or die $!; return <$file> }

if ($bayes) {
    $filter->init_learner({ wait_for_lock => 1, caller_will_untie => 1 });
    for my $class ('ham', 'spam') {
        for my $name (glob "$corpus/train/$class/*.eml") {
            my $message = $filter->parse(slurp($name));
            $filter->learn($message, undef, $class eq 'spam', 0);
            $message->finish;
        }
    }
    $filter->rebuild_learner_caches({});
    $filter->finish_learner();
}
open my $file, '>', $out or die $!;
for my $class ('ham', 'spam') {
    for my $name (glob "$corpus/test/$class/*.eml") {
        my $message = $filter->parse(slurp($name));
        my $status = $filter->check($message);
        print $file "$class ", $status->get_score, "\n";
        $status->finish;
        $message->finish;
    }
}
