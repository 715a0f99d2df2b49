import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deriveChains } from '@weaklink/chains'
import type { Person } from '@weaklink/interactions'
import { describe, expect, test } from 'vitest'
import { oracle } from '../../packages/chains/src/oracle.ts'
import { instantText, type Look, parseStory, type Story } from './story.ts'
import { tableText, timelineOf } from './timeline.ts'

// The stories next to this file: each says what the owner sees, and we must see the same. README.md says how they read.

const folder = fileURLToPath(new URL('.', import.meta.url))
const files = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md')

for (const file of files) {
  const story = parseStory(readFileSync(`${folder}/${file}`, 'utf8'), file)
  describe(`${story.title} (${file})`, () => {
    for (const look of story.looks) {
      // Where the rules do not say so yet, the story turns red on the day they do.
      const seen = look.agreed ? test : test.fails
      seen(`seen on ${instantText(look.now)}: the timeline`, () => {
        const people = chainsAt(story, look, deriveChains)
        expect(chainsAt(story, look, oracle)).toEqual(people)
        const expected = tableText(look.timeline)
        const actual = tableText(timelineOf(people, look.timeline.columns))
        expect(actual, `${file}\nthe owner expects:\n${expected}\nthe chains are:\n${actual}\n`).toBe(expected)
      })
    }
  })
}

/** Everybody's chains, in the order in which the story names them, from what has been recorded by then. */
function chainsAt(story: Story, { now }: Look, derive: typeof deriveChains) {
  const arrived = story.recorded
    .filter(({ recordedAt }) => recordedAt <= now)
    .sort((a, b) => a.recordedAt - b.recordedAt)
    .map(({ interaction }) => interaction)
  const customers = new Set(story.recorded.flatMap(({ interaction }) => interaction.customer ?? []))
  return [...customers].map((customer) => {
    const person: Person = { kind: 'customer', customer }
    const own = arrived.filter((interaction) => interaction.customer === customer)
    return { customer, chains: derive(person, own, story.catalogue, now) }
  })
}
