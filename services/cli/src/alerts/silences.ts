import { userInfo } from 'node:os'
import {
  addSilence,
  expireSilence,
  instantWords,
  type Memory,
  matcherText,
  parseMatcher,
  type Silence,
  SilenceError,
  silencesIn,
} from '@weaklink/alerts'
import type { Command } from 'commander'
import { type Terminal, UsageError } from '../terminal.ts'
import { withAlertsMemory } from './memory.ts'

interface Wish {
  /** As they were written. */
  readonly matchers: readonly string[]
  /** Epoch milliseconds. */
  readonly from: number
  readonly until: number
  readonly why: string
  /** Default: the account on this machine. */
  readonly by: string | undefined
}

/** @throws UsageError where it cannot be made */
export async function makeSilence(terminal: Terminal, command: Command, wish: Wish, now: number): Promise<void> {
  const { matchers, from, until, why, by = userInfo().username } = wish
  const silence = await withSilences(command, (memory) =>
    addSilence(memory, { matchers: matchers.map(parseMatcher), from, until, why, by }, now),
  )
  terminal.answer(
    () => `${silenceText(silence, now)}\n\nTo end it before: weaklink alerts silence expire ${silence.id}`,
    () => silenceJson(silence, now),
  )
}

/** Those first that end first. */
export async function listSilences(terminal: Terminal, command: Command, isAll: boolean): Promise<void> {
  const now = Date.now()
  const all = await withSilences(command, async (memory) => silencesIn(await memory.load()))
  const silences = all.filter(({ until }) => isAll || until > now).sort((a, b) => a.until - b.until)
  terminal.answer(
    () => (silences.length === 0 ? 'There is no silence.' : silences.map((one) => silenceText(one, now)).join('\n\n')),
    () => silences.map((one) => silenceJson(one, now)),
  )
}

/** @throws UsageError where there is none */
export async function endSilence(terminal: Terminal, command: Command, id: string): Promise<void> {
  const now = Date.now()
  const silence = await withSilences(command, (memory) => expireSilence(memory, id, now))
  terminal.answer(
    () => silenceText(silence, now),
    () => silenceJson(silence, now),
  )
}

async function withSilences<T>(command: Command, work: (memory: Memory) => Promise<T>): Promise<T> {
  try {
    return await withAlertsMemory(command, work)
  } catch (error) {
    if (!(error instanceof SilenceError)) throw error
    throw new UsageError(`${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`)
  }
}

function silenceText({ id, matchers, from, until, by, why }: Silence, now: number): string {
  const state = until <= now ? 'over since' : from > now ? `begins ${instantWords(from)}, ends` : 'in force until'
  return [
    `${id}  ${matchers.map(matcherText).join(' ')}`,
    `          ${state} ${instantWords(until)}`,
    `          ${by}: ${why}`,
  ].join('\n')
}

function silenceJson({ id, matchers, from, until, by, why }: Silence, now: number) {
  return {
    id,
    matchers: matchers.map(matcherText),
    from: new Date(from).toISOString(),
    until: new Date(until).toISOString(),
    isActive: from <= now && now < until,
    by,
    why,
  }
}
