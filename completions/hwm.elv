
use builtin;
use str;

set edit:completion:arg-completer[hwm] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'hwm'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'hwm'= {
            cand -B 'Hold at most SIZE bytes [default: 4M; 16M with a policy that loses records]'
            cand --buffer-size 'Hold at most SIZE bytes [default: 4M; 16M with a policy that loses records]'
            cand --buffer-records 'Hold at most N records, too'
            cand --high-water 'Become pressured when so much is held [default: 100%; 80% with sample, priority and red]'
            cand --low-water 'Flow again when no more is held [default: 75% of the high-water mark]'
            cand --start-fill 'Write nothing before so much is held'
            cand --start-timeout 'With --start-fill: begin to write so long after the first byte came at the latest [default: 10s]'
            cand --when-full 'What happens when an arriving record does not fit [default: block]'
            cand --overflow 'What happens when an arriving record does not fit [default: block]'
            cand --sample 'With sample: which records pass, 1/N, P% and so on [default: adaptive]'
            cand --red-max 'With red: the chance to lose an arrival right below the high-water mark [default: 10%]'
            cand --priority 'With priority: records that match are worth more than others; repeatable, best first'
            cand --seed 'Make random choices repeatable'
            cand --max-age 'Lose what has waited for longer, with a policy that loses records'
            cand --mark 'Put a record into the output where records are missing'
            cand --lost-to 'Append the lost records themselves to FILE'
            cand --fail-on-loss 'Exit 3 when N records (default 1) or P% of them were lost'
            cand -L 'Write at most RATE bytes a second, or records with -l'
            cand --rate-limit 'Write at most RATE bytes a second, or records with -l'
            cand --burst 'With -L: save up at most so much credit [default: a tenth of a second]'
            cand --demand 'Write only what the consumer asks for by lines in PATH'
            cand -s 'Expect SIZE bytes of input (records with -l) or, with @FILE, as much as FILE has'
            cand --size 'Expect SIZE bytes of input (records with -l) or, with @FILE, as much as FILE has'
            cand --block-timeout 'With block: end with exit status 5 when a stall lasts longer, or see --then'
            cand --then 'With --block-timeout: lose records by POLICY when a stall lasts longer'
            cand --idle-timeout 'End with exit status 6 when no input came for so long'
            cand --drain-timeout 'After SIGINT, SIGTERM or SIGHUP write for at most so long'
            cand --broken-pipe 'What it means when the consumer is gone'
            cand --report 'The form of the report [default: bar on a terminal, else summary]'
            cand --report-to 'Append the report to PATH instead of writing it to standard error'
            cand --events 'Append each change of state to PATH, a JSON object a line'
            cand --on-pressure 'Run CMD by sh -c each time the state becomes pressured'
            cand --on-flow 'Run CMD by sh -c each time the state is flowing again'
            cand -i 'Report every SEC seconds, as in 0.5, or DUR'
            cand --interval 'Report every SEC seconds, as in 0.5, or DUR'
            cand -N 'Put NAME in front of the report'
            cand --name 'Put NAME in front of the report'
            cand -C 'Copy all data through memory'
            cand --no-splice 'Copy all data through memory'
            cand -l 'Count records (lines) instead of bytes'
            cand --line-mode 'Count records (lines) instead of bytes'
            cand -0 'Records end with a null byte instead of a newline; implies -l'
            cand --null 'Records end with a null byte instead of a newline; implies -l'
            cand -S 'Stop after the size of -s, or that of the files'
            cand --stop-at-size 'Stop after the size of -s, or that of the files'
            cand -f 'Show the bar also where standard error is no terminal'
            cand --force 'Show the bar also where standard error is no terminal'
            cand -q 'Report nothing but errors, like --report none'
            cand --quiet 'Report nothing but errors, like --report none'
            cand -v 'Add the minimum, mean, maximum and deviation of the rate at the end'
            cand --stats 'Add the minimum, mean, maximum and deviation of the rate at the end'
            cand -h 'Print help; --help says more than -h'
            cand --help 'Print help; --help says more than -h'
            cand -V 'Print the version'
            cand --version 'Print the version'
        }
    ]
    $completions[$command]
}
