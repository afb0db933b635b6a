complete -c hwm -s B -l buffer-size -d 'Hold at most SIZE bytes [default: 4M, lossy 16M]' -r
complete -c hwm -l buffer-records -d 'Hold at most N records, too' -r
complete -c hwm -l high-water -d 'Become pressured when so much is held [default: 100%; 80% with sample, priority and red]' -r
complete -c hwm -l low-water -d 'Flow again when no more is held [default: 75% of the high-water mark]' -r
complete -c hwm -l start-fill -d 'Write nothing before so much is held' -r
complete -c hwm -l start-timeout -d 'With --start-fill: begin to write at the latest so long after the first byte came [default: 10s]' -r
complete -c hwm -l linger -d 'The longest that a byte may wait for others to go with' -r
complete -c hwm -l when-full -l overflow -l policy -d 'What to do when the buffer is full [default: block]' -r -f -a "block\t'stop reading until there is space; nothing is lost'
drop-newest\t'lose the arriving record'
drop-oldest\t'lose the records that waited longest'
drop-buffer\t'lose everything that waits and start over'
latest\t'let only the newest record wait'
sample\t'while pressured let only some records pass'
red\t'lose more arrivals the more is held on average'
priority\t'lose what --priority says is worth least'
fail\t'stop reading, write what was accepted, exit 4'"
complete -c hwm -l sample -d 'With sample: which records pass, 1/N, P% and so on [default: adaptive]' -r
complete -c hwm -l red-max -d 'With red: the chance to lose an arrival right below the high-water mark [default: 10%]' -r
complete -c hwm -l priority -d 'With priority: records that match are worth more than others; repeatable, best first' -r
complete -c hwm -l seed -d 'Make random choices repeatable' -r
complete -c hwm -l max-age -d 'With a lossy policy: lose what waited for longer' -r
complete -c hwm -l mark -d 'Say in the output where records are missing' -r
complete -c hwm -l mark-every -d 'Mark at most every DUR; implies --mark' -r
complete -c hwm -l lost-to -d 'Append the lost records themselves to FILE' -r -F
complete -c hwm -l fail-on-loss -d 'Exit 3 if N records [default: 1] or P% were lost' -r
complete -c hwm -s L -l rate-limit -d 'Write at most RATE bytes/s, or records/s with -l' -r
complete -c hwm -l burst -d 'With -L: save up at most so much credit [default: a tenth of a second]' -r
complete -c hwm -l demand -d 'Write only what the consumer asks for by lines in PATH' -r -F
complete -c hwm -s M -l monitor -d 'Run COMMAND, with hwm before its input or behind its output, or both' -r -f -a "in\t'hwm before the command\'s input'
out\t'hwm behind the command\'s output'
both\t'one hwm on each side'"
complete -c hwm -l delimiter -d 'Any one of these characters ends a record, rather than a newline' -r
complete -c hwm -s s -l size -d 'Expect SIZE bytes, records with -l; or as @FILE has' -r
complete -c hwm -l block-timeout -d 'With block: exit 5 if a stall lasts longer; --then' -r
complete -c hwm -l then -d 'After --block-timeout: lose records by POLICY' -r -f -a "drop-newest\t'lose the arriving record'
drop-oldest\t'lose the records that waited longest'
drop-buffer\t'lose everything that waits and start over'
latest\t'let only the newest record wait'
sample\t'while pressured let only some records pass'
red\t'lose more arrivals the more is held on average'
priority\t'lose what --priority says is worth least'"
complete -c hwm -l idle-timeout -d 'Exit 6 when no input came for so long' -r
complete -c hwm -l drain-timeout -d 'After SIGTERM or SIGHUP read on and write for at most so long' -r
complete -c hwm -l broken-pipe -d 'What it means when the consumer is gone' -r -f -a "signal\t'die by SIGPIPE, like cat'
ok\t'a normal ending, exit 0'
drain\t'read on to the end of input, and lose it: the producer never notices'
wait\t'with -o FIFO: wait for the next reader, which gets what the last one had not read'"
complete -c hwm -l respawn -d 'With -M in: start COMMAND again when it ends' -r
complete -c hwm -l respawn-delay -d 'With --respawn: the pause before the first start, doubled each time [default: 100ms]' -r
complete -c hwm -l report -d 'How to report' -r -f -a "bar\t'a live line, and a summary at the end'
plain\t'a line of key=value each interval, and a summary'
json\t'a JSON object a line: each interval, each kind of event once an interval, a summary'
summary\t'a line while records are being lost, and a summary'
none\t'nothing but errors'"
complete -c hwm -l report-to -d 'Append the report to PATH instead of writing it to standard error' -r -F
complete -c hwm -l events -d 'Append each change of state to PATH as JSON lines' -r -F
complete -c hwm -l on-pressure -d 'Run CMD by sh -c each time the state becomes pressured' -r -f -a "(__fish_complete_command)"
complete -c hwm -l on-flow -d 'Run CMD by sh -c each time the state is flowing again' -r -f -a "(__fish_complete_command)"
complete -c hwm -l on-respawn -d 'Run CMD by sh -c each time COMMAND was started again' -r -f -a "(__fish_complete_command)"
complete -c hwm -s i -l interval -d 'Report every SEC seconds, as in 0.5, or DUR' -r
complete -c hwm -s N -l name -d 'Put NAME in front of the report' -r
complete -c hwm -l metrics-file -d 'Keep the account in PATH as a Prometheus text file' -r -F
complete -c hwm -l chart -d 'Draw the run as a picture, an SVG, when it is over' -r -F
complete -c hwm -s A -l last-written -d 'Show the last NUM bytes written' -r
complete -c hwm -s F -l format -d 'Show what FORMAT says' -r
complete -c hwm -s u -l bar-style -d 'How the bar of -p is drawn' -r -f -a "plain\t'====>'
block\t'full blocks'
granular\t'full blocks, and eighths of one at the end'
shaded\t'full blocks on a shade'"
complete -c hwm -s m -l average-rate-window -d 'The average rate is that of the last SEC seconds' -r
complete -c hwm -s D -l delay-start -d 'Draw nothing before SEC seconds, or DUR, have passed' -r
complete -c hwm -s w -l width -d 'Take the terminal to be so many columns wide' -r
complete -c hwm -s H -l height -d 'Take the terminal to be so many rows high; nothing here depends on it' -r
complete -c hwm -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c hwm -s Z -l error-skip-block -d 'With -E: go on at the next multiple of SIZE; implies -E' -r
complete -c hwm -s P -l pidfile -d 'Write the process\'s number to FILE, and remove it at the end' -r -F
complete -c hwm -s C -l no-splice -d 'Copy all data through memory'
complete -c hwm -s l -l line-mode -d 'Count records (lines) instead of bytes'
complete -c hwm -s 0 -l null -d 'Records end with a null byte instead of a newline; implies -l'
complete -c hwm -s S -l stop-at-size -d 'Stop after the size of -s, or that of the files'
complete -c hwm -l idle-ok -d 'With --idle-timeout: that is a normal ending, exit 0'
complete -c hwm -s f -l force -d 'Show the bar, or the display of -p and the like, also where standard error is no terminal'
complete -c hwm -s q -l quiet -d 'Report nothing but errors, like --report none'
complete -c hwm -s v -l stats -d 'Add the minimum, mean, maximum and deviation of the rate at the end'
complete -c hwm -l behind -d 'The hwm behind the command of -M both'
complete -c hwm -s p -l progress -d 'Show a progress bar'
complete -c hwm -s t -l timer -d 'Show the time since the start'
complete -c hwm -s e -l eta -d 'Show the time left'
complete -c hwm -s I -l fineta -d 'Show the time of day at the end'
complete -c hwm -s r -l rate -d 'Show the rate'
complete -c hwm -s a -l average-rate -d 'Show the average rate of the last while, see -m'
complete -c hwm -s b -l bytes -d 'Show how much was transferred'
complete -c hwm -s T -l buffer-percent -d 'Show how full the buffer is'
complete -c hwm -s n -l numeric -d 'Write plain numbers, a line each interval: percent, or what -t -b and -r ask for'
complete -c hwm -s 8 -l bits -d 'Show bits instead of bytes'
complete -c hwm -s k -l si -d 'Count in 1000, also the suffixes of what is typed behind it'
complete -c hwm -s g -l gauge -d 'Without a known size the bar of -p shows the rate as a share of the highest'
complete -c hwm -s W -l wait -d 'Draw nothing before the consumer took its first byte'
complete -c hwm -s c -l cursor -d 'Share the terminal with others: a row for each hwm of a pipeline'
complete -c hwm -s X -l discard -d 'Write to nowhere'
complete -c hwm -s E -l skip-errors -d 'Go on behind what cannot be read, and write null bytes instead'
complete -c hwm -s Y -l sync -d 'Wait for the disk after every write'
complete -c hwm -s h -l help -d 'Print help; --help says all'
complete -c hwm -s V -l version -d 'Print the version'
