import { once } from 'node:events'
import { Command } from 'commander'
import type { CommonOptions } from '../run.ts'
import { liveEvents } from '../tail/stream.ts'
import { eventText } from '../tail/text.ts'
import { targetOf, withTarget } from '../target.ts'
import { openTerminal } from '../terminal.ts'

interface TailFlags extends CommonOptions {
  readonly type?: string
  readonly customer?: string
  readonly touchpoint?: string
  readonly sinceStart?: boolean
}

export function tailCommand(): Command {
  return withTarget(new Command('tail'), 'an API key')
    .description(
      'what a running Weaklink takes in, as it comes: interactions, rejects with reasons, breaks, waiting calls',
    )
    .option('--type <types>', 'only these: interaction, rejected, break, waiting, link; several with commas between')
    .option('--customer <id>', 'only what is about this customer, or this anonymous id')
    .option('--touchpoint <id>', 'only what happened there')
    .option('--since-start', 'first everything that the log holds')
    .addHelpText(
      'after',
      `
Examples:
  weaklink tail
  weaklink tail --type rejected          what does not fit, and why: for whoever writes a producer
  weaklink tail --customer anna --json   one JSON object a line

Times are UTC. A connection that is lost is made again and goes on where it was. Ctrl-C ends it.`,
    )
    .action(async (_flags: unknown, command: Command) => {
      const { type, customer, touchpoint, sinceStart = false, json = false } = command.optsWithGlobals<TailFlags>()
      const terminal = openTerminal({ json })
      const ending = new AbortController()
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort())
      let lost = false
      const events = liveEvents({
        target: () => targetOf(command, 'ask'),
        route: '/api/v1/live',
        filter: { types: type, customer, touchpoint },
        sinceStart,
        signal: ending.signal,
        onLost(why) {
          if (!lost) terminal.note(`${why} Trying again …`)
          lost = true
        },
      })
      for await (const event of events) {
        if (lost) terminal.note('It goes on.')
        lost = false
        const text = json ? JSON.stringify(event) : eventText(event, terminal.style)
        if (text !== null && !process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain')
      }
    })
}
