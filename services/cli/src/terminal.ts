import { once } from 'node:events'
import { SingleBar } from 'cli-progress'
import pc from 'picocolors'

/** What a command says: answers go to stdout, everything else to stderr, so that stdout can be piped. */
export interface Terminal {
  readonly json: boolean
  readonly width: number
  readonly style: Style
  /** The answer: text for people, or one JSON document with `--json`. */
  answer(text: () => string, json: () => unknown): void
  /** A remark on the way. */
  note(text: string): void
  /** A bar that moves on a terminal and is silent elsewhere. */
  progress(): Progress
}

export interface Style {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
}

interface Progress {
  /** @param part 0 to 1 */
  show(part: number, text: string): void
  stop(): void
}

/** Bad usage: exit code 2. Everything else that goes wrong is 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something around the command is not as it must be, and the message says what to do about it: exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** The terminal of this process. `NO_COLOR` is honoured (picocolors looks at it). */
export function openTerminal(options: { json: boolean }): Terminal {
  const { stdout, stderr } = process
  return {
    json: options.json,
    // A terminal that does not know its width says 0.
    width: stdout.columns || 100,
    style: pc.createColors(pc.isColorSupported && stdout.isTTY === true),
    answer: (text, json) => {
      stdout.write(options.json ? `${JSON.stringify(json(), null, 2)}\n` : `${withoutCommands(text())}\n`)
    },
    note: (text) => {
      stderr.write(`${withoutCommands(text)}\n`)
    },
    progress: () => (stderr.isTTY === true ? movingBar() : { show() {}, stop() {} }),
  }
}

/**
 * Without what a terminal would take for commands: of what comes from outside, and got this far, only line ends and the
 * colours that we use ourselves are left.
 */
export function withoutCommands(text: string): string {
  return text.replace(/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, (character, at: number) => {
    const isOurs =
      character === '\n' || character === '\t' || (character === '\u001b' && MARK.test(text.slice(at + 1, at + 5)))
    return isOurs ? character : '\ufffd'
  })
}

/** To stdout as it comes: a program reads it, so nothing is added, but a terminal is spared commands in the data. */
export async function print(texts: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const { stdout } = process
  for await (const text of texts) {
    if (!stdout.write(stdout.isTTY ? withoutCommands(text) : text)) await once(stdout, 'drain')
  }
}

/** What comes after the escape in the marks that we use: bold, dim, and the plain colours. */
const MARK = /^\[(?:[0-4]|2[2-4]|3[0-79])m/

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

function movingBar(): Progress {
  const bar = new SingleBar({
    format: '{bar} {percentage} %  {text}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    linewrap: false,
    stream: process.stderr,
  })
  bar.start(1000, 0, { text: '' })
  // The bar hides the cursor: whoever interrupts gets it back, then the signal does what it does.
  const giveBack = (signal: NodeJS.Signals) => {
    bar.stop()
    process.kill(process.pid, signal)
  }
  for (const signal of SIGNALS) process.once(signal, giveBack)
  return {
    show: (part, text) => bar.update(Math.floor(1000 * Math.min(Math.max(part, 0), 1)), { text }),
    stop: () => {
      for (const signal of SIGNALS) process.off(signal, giveBack)
      bar.stop()
    },
  }
}
