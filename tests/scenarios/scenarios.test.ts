import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deriveChains } from '@weaklink/chains'
import type { Person } from '@weaklink/interactions'
import { breakpointsText } from '@weaklink/reports'
import { describe, expect, test } from 'vitest'
import { oracle } from '../../packages/chains/src/oracle.ts'
import { naiveBreakpoints } from '../../packages/reports/test/naive.ts'
import { instantText, type Look, parseStory, type Story } from './story.ts'
import { tableText, timelineOf } from './timeline.ts'

// The stories next to this file: each says what the owner sees, and we must see the same. README.md says how they read.

for (const { file, story } of storiesIn('.')) {
  describe(`${story.title} (${file})`, () => {
    for (const look of story.looks) {
      const people = () => chainsAt(story, look, deriveChains)

      test(`seen on ${instantText(look.now)}: the timeline`, () => checkTimeline(file, story, look))

      test.for(look.reports)(`seen on ${instantText(look.now)}: the report $options`, ({ options, text }) => {
        const report = naiveBreakpoints(people(), { ...options, catalogue: story.catalogue }, look.now)
        const lines = text.split('\n')
        const actual = breakpointsText(report)
          .split('\n')
          .slice(0, lines.length)
          .map((line) => line.trimEnd())
        expect(actual).toEqual(lines)
      })
    }
  })
}

// What the owner says and the rules do not give. Turns red on the day they do: then the story moves up.
for (const { file, story } of storiesIn('disputed')) {
  describe(`disputed: ${story.title} (${file})`, () => {
    for (const look of story.looks) {
      test.fails(`seen on ${instantText(look.now)}: the timeline`, () => checkTimeline(file, story, look))
    }
  })
}

describe('the oracle says the same', () => {
  test.for([...storiesIn('.'), ...storiesIn('disputed')])('$file', ({ story }) => {
    for (const look of story.looks) {
      expect(chainsAt(story, look, deriveChains)).toEqual(chainsAt(story, look, oracle))
    }
  })
})

function storiesIn(folder: string): { file: string; story: Story }[] {
  const path = fileURLToPath(new URL(folder, import.meta.url))
  return readdirSync(path)
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => ({ file, story: parseStory(readFileSync(`${path}/${file}`, 'utf8'), file) }))
}

function checkTimeline(file: string, story: Story, look: Look): void {
  const people = chainsAt(story, look, deriveChains)
  const expected = tableText(look.timeline)
  const actual = tableText(timelineOf(people, look.timeline.columns))
  expect(actual, `${file}\nthe owner expects:\n${expected}\nthe chains are:\n${actual}\n`).toBe(expected)
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
    return { person, chains: derive(person, own, story.catalogue, now) }
  })
}
