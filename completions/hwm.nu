module completions {

  def "nu-complete hwm when_full" [] {
    [ "block" "drop-newest" "drop-oldest" "drop-buffer" "latest" "sample" "red" "priority" "fail" ]
  }

  def "nu-complete hwm monitor" [] {
    [ "in" "out" "both" ]
  }

  def "nu-complete hwm then" [] {
    [ "drop-newest" "drop-oldest" "drop-buffer" "latest" "sample" "red" "priority" ]
  }

  def "nu-complete hwm broken_pipe" [] {
    [ "signal" "ok" "drain" "wait" ]
  }

  def "nu-complete hwm report" [] {
    [ "bar" "plain" "json" "summary" "none" ]
  }

  def "nu-complete hwm bar_style" [] {
    [ "plain" "block" "granular" "shaded" ]
  }

  # relay standard input to standard output through a bounded buffer with watermarks
  export extern hwm [
    --buffer-size(-B): string # Hold at most SIZE bytes [default: 4M, lossy 16M]
    --buffer-records: string  # Hold at most N records, too
    --high-water: string      # Become pressured when so much is held [default: 100%; 80% with sample, priority and red]
    --low-water: string       # Flow again when no more is held [default: 75% of the high-water mark]
    --start-fill: string      # Write nothing before so much is held
    --start-timeout: string   # With --start-fill: begin to write at the latest so long after the first byte came [default: 10s]
    --linger: string          # The longest that a byte may wait for others to go with
    --no-splice(-C)           # Copy all data through memory
    --when-full: string@"nu-complete hwm when_full" # What to do when the buffer is full [default: block]
    --overflow: string@"nu-complete hwm when_full" # What to do when the buffer is full [default: block]
    --policy: string@"nu-complete hwm when_full" # What to do when the buffer is full [default: block]
    --sample: string          # With sample: which records pass, 1/N, P% and so on [default: adaptive]
    --red-max: string         # With red: the chance to lose an arrival right below the high-water mark [default: 10%]
    --priority: string        # With priority: records that match are worth more than others; repeatable, best first
    --seed: string            # Make random choices repeatable
    --max-age: string         # With a lossy policy: lose what waited for longer
    --mark: string            # Say in the output where records are missing
    --mark-every: string      # Mark at most every DUR; implies --mark
    --lost-to: path           # Append the lost records themselves to FILE
    --fail-on-loss: string    # Exit 3 if N records [default: 1] or P% were lost
    --rate-limit(-L): string  # Write at most RATE bytes/s, or records/s with -l
    --burst: string           # With -L: save up at most so much credit [default: a tenth of a second]
    --demand: path            # Write only what the consumer asks for by lines in PATH
    --monitor(-M): string@"nu-complete hwm monitor" # Run COMMAND, with hwm before its input or behind its output, or both
    --line-mode(-l)           # Count records (lines) instead of bytes
    --null(-0)                # Records end with a null byte instead of a newline; implies -l
    --delimiter: string       # Any one of these characters ends a record, rather than a newline
    --size(-s): string        # Expect SIZE bytes, records with -l; or as @FILE has
    --stop-at-size(-S)        # Stop after the size of -s, or that of the files
    --block-timeout: string   # With block: exit 5 if a stall lasts longer; --then
    --then: string@"nu-complete hwm then" # After --block-timeout: lose records by POLICY
    --idle-timeout: string    # Exit 6 when no input came for so long
    --idle-ok                 # With --idle-timeout: that is a normal ending, exit 0
    --drain-timeout: string   # After SIGTERM or SIGHUP read on and write for at most so long
    --broken-pipe: string@"nu-complete hwm broken_pipe" # What it means when the consumer is gone
    --respawn: string         # With -M in: start COMMAND again when it ends
    --respawn-delay: string   # With --respawn: the pause before the first start, doubled each time [default: 100ms]
    --report: string@"nu-complete hwm report" # How to report
    --report-to: path         # Append the report to PATH instead of writing it to standard error
    --events: path            # Append each change of state to PATH as JSON lines
    --on-pressure: string     # Run CMD by sh -c each time the state becomes pressured
    --on-flow: string         # Run CMD by sh -c each time the state is flowing again
    --on-respawn: string      # Run CMD by sh -c each time COMMAND was started again
    --interval(-i): string    # Report every SEC seconds, as in 0.5, or DUR
    --name(-N): string        # Put NAME in front of the report
    --force(-f)               # Show the bar, or the display of -p and the like, also where standard error is no terminal
    --quiet(-q)               # Report nothing but errors, like --report none
    --stats(-v)               # Add the minimum, mean, maximum and deviation of the rate at the end
    --metrics-file: path      # Keep the account in PATH as a Prometheus text file
    --chart: path             # Draw the run as a picture, an SVG, when it is over
    --behind                  # The hwm behind the command of -M both
    --progress(-p)            # Show a progress bar
    --timer(-t)               # Show the time since the start
    --eta(-e)                 # Show the time left
    --fineta(-I)              # Show the time of day at the end
    --rate(-r)                # Show the rate
    --average-rate(-a)        # Show the average rate of the last while, see -m
    --bytes(-b)               # Show how much was transferred
    --buffer-percent(-T)      # Show how full the buffer is
    --last-written(-A): string # Show the last NUM bytes written
    --format(-F): string      # Show what FORMAT says
    --numeric(-n)             # Write plain numbers, a line each interval: percent, or what -t -b and -r ask for
    --bits(-8)                # Show bits instead of bytes
    --si(-k)                  # Count in 1000, also the suffixes of what is typed behind it
    --gauge(-g)               # Without a known size the bar of -p shows the rate as a share of the highest
    --bar-style(-u): string@"nu-complete hwm bar_style" # How the bar of -p is drawn
    --average-rate-window(-m): string # The average rate is that of the last SEC seconds
    --wait(-W)                # Draw nothing before the consumer took its first byte
    --delay-start(-D): string # Draw nothing before SEC seconds, or DUR, have passed
    --width(-w): string       # Take the terminal to be so many columns wide
    --height(-H): string      # Take the terminal to be so many rows high; nothing here depends on it
    --cursor(-c)              # Share the terminal with others: a row for each hwm of a pipeline
    --output(-o): path        # Write to FILE instead of standard output
    --discard(-X)             # Write to nowhere
    --skip-errors(-E)         # Go on behind what cannot be read, and write null bytes instead
    --error-skip-block(-Z): string # With -E: go on at the next multiple of SIZE; implies -E
    --sync(-Y)                # Wait for the disk after every write
    --pidfile(-P): path       # Write the process's number to FILE, and remove it at the end
    --help(-h)                # Print help; --help says all
    --version(-V)             # Print the version
    ...files: path            # Read these files instead of standard input; - is standard input
  ]

}

export use completions *
