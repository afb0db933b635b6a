
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'hwm' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'hwm'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'hwm' {
            [CompletionResult]::new('-B', '-B ', [CompletionResultType]::ParameterName, 'Hold at most SIZE bytes [default: 4M, lossy 16M]')
            [CompletionResult]::new('--buffer-size', '--buffer-size', [CompletionResultType]::ParameterName, 'Hold at most SIZE bytes [default: 4M, lossy 16M]')
            [CompletionResult]::new('--buffer-records', '--buffer-records', [CompletionResultType]::ParameterName, 'Hold at most N records, too')
            [CompletionResult]::new('--high-water', '--high-water', [CompletionResultType]::ParameterName, 'Become pressured when so much is held [default: 100%; 80% with sample, priority and red]')
            [CompletionResult]::new('--low-water', '--low-water', [CompletionResultType]::ParameterName, 'Flow again when no more is held [default: 75% of the high-water mark]')
            [CompletionResult]::new('--start-fill', '--start-fill', [CompletionResultType]::ParameterName, 'Write nothing before so much is held')
            [CompletionResult]::new('--start-timeout', '--start-timeout', [CompletionResultType]::ParameterName, 'With --start-fill: begin to write at the latest so long after the first byte came [default: 10s]')
            [CompletionResult]::new('--when-full', '--when-full', [CompletionResultType]::ParameterName, 'What to do when the buffer is full [default: block]')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'What to do when the buffer is full [default: block]')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'What to do when the buffer is full [default: block]')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'With sample: which records pass, 1/N, P% and so on [default: adaptive]')
            [CompletionResult]::new('--red-max', '--red-max', [CompletionResultType]::ParameterName, 'With red: the chance to lose an arrival right below the high-water mark [default: 10%]')
            [CompletionResult]::new('--priority', '--priority', [CompletionResultType]::ParameterName, 'With priority: records that match are worth more than others; repeatable, best first')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Make random choices repeatable')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'With a lossy policy: lose what waited for longer')
            [CompletionResult]::new('--mark', '--mark', [CompletionResultType]::ParameterName, 'Say in the output where records are missing')
            [CompletionResult]::new('--mark-every', '--mark-every', [CompletionResultType]::ParameterName, 'Mark at most every DUR; implies --mark')
            [CompletionResult]::new('--lost-to', '--lost-to', [CompletionResultType]::ParameterName, 'Append the lost records themselves to FILE')
            [CompletionResult]::new('--fail-on-loss', '--fail-on-loss', [CompletionResultType]::ParameterName, 'Exit 3 if N records [default: 1] or P% were lost')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Write at most RATE bytes/s, or records/s with -l')
            [CompletionResult]::new('--rate-limit', '--rate-limit', [CompletionResultType]::ParameterName, 'Write at most RATE bytes/s, or records/s with -l')
            [CompletionResult]::new('--burst', '--burst', [CompletionResultType]::ParameterName, 'With -L: save up at most so much credit [default: a tenth of a second]')
            [CompletionResult]::new('--demand', '--demand', [CompletionResultType]::ParameterName, 'Write only what the consumer asks for by lines in PATH')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'Expect SIZE bytes, records with -l; or as @FILE has')
            [CompletionResult]::new('--size', '--size', [CompletionResultType]::ParameterName, 'Expect SIZE bytes, records with -l; or as @FILE has')
            [CompletionResult]::new('--block-timeout', '--block-timeout', [CompletionResultType]::ParameterName, 'With block: exit 5 if a stall lasts longer; --then')
            [CompletionResult]::new('--then', '--then', [CompletionResultType]::ParameterName, 'After --block-timeout: lose records by POLICY')
            [CompletionResult]::new('--idle-timeout', '--idle-timeout', [CompletionResultType]::ParameterName, 'Exit 6 when no input came for so long')
            [CompletionResult]::new('--drain-timeout', '--drain-timeout', [CompletionResultType]::ParameterName, 'After SIGTERM or SIGHUP read on and write for at most so long')
            [CompletionResult]::new('--broken-pipe', '--broken-pipe', [CompletionResultType]::ParameterName, 'What it means when the consumer is gone')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'How to report')
            [CompletionResult]::new('--report-to', '--report-to', [CompletionResultType]::ParameterName, 'Append the report to PATH instead of writing it to standard error')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Append each change of state to PATH as JSON lines')
            [CompletionResult]::new('--on-pressure', '--on-pressure', [CompletionResultType]::ParameterName, 'Run CMD by sh -c each time the state becomes pressured')
            [CompletionResult]::new('--on-flow', '--on-flow', [CompletionResultType]::ParameterName, 'Run CMD by sh -c each time the state is flowing again')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Report every SEC seconds, as in 0.5, or DUR')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Report every SEC seconds, as in 0.5, or DUR')
            [CompletionResult]::new('-N', '-N ', [CompletionResultType]::ParameterName, 'Put NAME in front of the report')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Put NAME in front of the report')
            [CompletionResult]::new('--metrics-file', '--metrics-file', [CompletionResultType]::ParameterName, 'Keep the account in PATH as a Prometheus text file')
            [CompletionResult]::new('--chart', '--chart', [CompletionResultType]::ParameterName, 'Draw the run as a picture, an SVG, when it is over')
            [CompletionResult]::new('-A', '-A ', [CompletionResultType]::ParameterName, 'Show the last NUM bytes written')
            [CompletionResult]::new('--last-written', '--last-written', [CompletionResultType]::ParameterName, 'Show the last NUM bytes written')
            [CompletionResult]::new('-F', '-F ', [CompletionResultType]::ParameterName, 'Show what FORMAT says')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Show what FORMAT says')
            [CompletionResult]::new('-u', '-u', [CompletionResultType]::ParameterName, 'How the bar of -p is drawn')
            [CompletionResult]::new('--bar-style', '--bar-style', [CompletionResultType]::ParameterName, 'How the bar of -p is drawn')
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'The average rate is that of the last SEC seconds')
            [CompletionResult]::new('--average-rate-window', '--average-rate-window', [CompletionResultType]::ParameterName, 'The average rate is that of the last SEC seconds')
            [CompletionResult]::new('-D', '-D ', [CompletionResultType]::ParameterName, 'Draw nothing before SEC seconds, or DUR, have passed')
            [CompletionResult]::new('--delay-start', '--delay-start', [CompletionResultType]::ParameterName, 'Draw nothing before SEC seconds, or DUR, have passed')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Take the terminal to be so many columns wide')
            [CompletionResult]::new('--width', '--width', [CompletionResultType]::ParameterName, 'Take the terminal to be so many columns wide')
            [CompletionResult]::new('-H', '-H ', [CompletionResultType]::ParameterName, 'Take the terminal to be so many rows high; nothing here depends on it')
            [CompletionResult]::new('--height', '--height', [CompletionResultType]::ParameterName, 'Take the terminal to be so many rows high; nothing here depends on it')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to FILE instead of standard output')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to FILE instead of standard output')
            [CompletionResult]::new('-Z', '-Z ', [CompletionResultType]::ParameterName, 'With -E: go on at the next multiple of SIZE; implies -E')
            [CompletionResult]::new('--error-skip-block', '--error-skip-block', [CompletionResultType]::ParameterName, 'With -E: go on at the next multiple of SIZE; implies -E')
            [CompletionResult]::new('-P', '-P ', [CompletionResultType]::ParameterName, 'Write the process''s number to FILE, and remove it at the end')
            [CompletionResult]::new('--pidfile', '--pidfile', [CompletionResultType]::ParameterName, 'Write the process''s number to FILE, and remove it at the end')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Copy all data through memory')
            [CompletionResult]::new('--no-splice', '--no-splice', [CompletionResultType]::ParameterName, 'Copy all data through memory')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Count records (lines) instead of bytes')
            [CompletionResult]::new('--line-mode', '--line-mode', [CompletionResultType]::ParameterName, 'Count records (lines) instead of bytes')
            [CompletionResult]::new('-0', '-0', [CompletionResultType]::ParameterName, 'Records end with a null byte instead of a newline; implies -l')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'Records end with a null byte instead of a newline; implies -l')
            [CompletionResult]::new('-S', '-S ', [CompletionResultType]::ParameterName, 'Stop after the size of -s, or that of the files')
            [CompletionResult]::new('--stop-at-size', '--stop-at-size', [CompletionResultType]::ParameterName, 'Stop after the size of -s, or that of the files')
            [CompletionResult]::new('--idle-ok', '--idle-ok', [CompletionResultType]::ParameterName, 'With --idle-timeout: that is a normal ending, exit 0')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Show the bar, or the display of -p and the like, also where standard error is no terminal')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Show the bar, or the display of -p and the like, also where standard error is no terminal')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Report nothing but errors, like --report none')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Report nothing but errors, like --report none')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Add the minimum, mean, maximum and deviation of the rate at the end')
            [CompletionResult]::new('--stats', '--stats', [CompletionResultType]::ParameterName, 'Add the minimum, mean, maximum and deviation of the rate at the end')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Show a progress bar')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'Show a progress bar')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Show the time since the start')
            [CompletionResult]::new('--timer', '--timer', [CompletionResultType]::ParameterName, 'Show the time since the start')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Show the time left')
            [CompletionResult]::new('--eta', '--eta', [CompletionResultType]::ParameterName, 'Show the time left')
            [CompletionResult]::new('-I', '-I ', [CompletionResultType]::ParameterName, 'Show the time of day at the end')
            [CompletionResult]::new('--fineta', '--fineta', [CompletionResultType]::ParameterName, 'Show the time of day at the end')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Show the rate')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Show the rate')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Show the average rate of the last while, see -m')
            [CompletionResult]::new('--average-rate', '--average-rate', [CompletionResultType]::ParameterName, 'Show the average rate of the last while, see -m')
            [CompletionResult]::new('-b', '-b', [CompletionResultType]::ParameterName, 'Show how much was transferred')
            [CompletionResult]::new('--bytes', '--bytes', [CompletionResultType]::ParameterName, 'Show how much was transferred')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Show how full the buffer is')
            [CompletionResult]::new('--buffer-percent', '--buffer-percent', [CompletionResultType]::ParameterName, 'Show how full the buffer is')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Write plain numbers, a line each interval: percent, or what -t -b and -r ask for')
            [CompletionResult]::new('--numeric', '--numeric', [CompletionResultType]::ParameterName, 'Write plain numbers, a line each interval: percent, or what -t -b and -r ask for')
            [CompletionResult]::new('-8', '-8', [CompletionResultType]::ParameterName, 'Show bits instead of bytes')
            [CompletionResult]::new('--bits', '--bits', [CompletionResultType]::ParameterName, 'Show bits instead of bytes')
            [CompletionResult]::new('-k', '-k', [CompletionResultType]::ParameterName, 'Count in 1000, also the suffixes of what is typed behind it')
            [CompletionResult]::new('--si', '--si', [CompletionResultType]::ParameterName, 'Count in 1000, also the suffixes of what is typed behind it')
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'Without a known size the bar of -p shows the rate as a share of the highest')
            [CompletionResult]::new('--gauge', '--gauge', [CompletionResultType]::ParameterName, 'Without a known size the bar of -p shows the rate as a share of the highest')
            [CompletionResult]::new('-W', '-W ', [CompletionResultType]::ParameterName, 'Draw nothing before the consumer took its first byte')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Draw nothing before the consumer took its first byte')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Share the terminal with others: a row for each hwm of a pipeline')
            [CompletionResult]::new('--cursor', '--cursor', [CompletionResultType]::ParameterName, 'Share the terminal with others: a row for each hwm of a pipeline')
            [CompletionResult]::new('-X', '-X ', [CompletionResultType]::ParameterName, 'Write to nowhere')
            [CompletionResult]::new('--discard', '--discard', [CompletionResultType]::ParameterName, 'Write to nowhere')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Go on behind what cannot be read, and write null bytes instead')
            [CompletionResult]::new('--skip-errors', '--skip-errors', [CompletionResultType]::ParameterName, 'Go on behind what cannot be read, and write null bytes instead')
            [CompletionResult]::new('-Y', '-Y ', [CompletionResultType]::ParameterName, 'Wait for the disk after every write')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'Wait for the disk after every write')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help says all')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help says all')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print the version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
