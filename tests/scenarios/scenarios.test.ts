import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deriveChains } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import { encodeFact, type Fact, type Interaction, type Person, personKey, personOf } from '@weaklink/interactions'
import { breakpointsText } from '@weaklink/reports'
import { PartitionTracker } from '@weaklink/tracker'
import { describe, expect, test } from 'vitest'
import { oracle } from '../../packages/chains/src/oracle.ts'
import { naiveBreakpoints } from '../../packages/reports/test/naive.ts'
import { MemoryStore, trackerStoreOf } from '../../services/tracker/test/memory-store.ts'
import { instantText, type Look, parseStory, type Story } from './story.ts'
import { type PersonChains, tableText, timelineOf } from './timeline.ts'

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

describe('the tracker says the same', () => {
  test.for([...storiesIn('.'), ...storiesIn('disputed')])('$file', async ({ story }) => {
    for (const look of story.looks) expect(await trackedAt(story, look)).toEqual(chainsAt(story, look, deriveChains))
  })
})

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
function chainsAt(story: Story, { now }: Look, derive: typeof deriveChains): PersonChains[] {
  const arrived = arrivedBy(story, now)
  const owners = new Map<string, string>()
  for (const { customer, anonymousId } of arrived) {
    if (customer !== undefined && anonymousId !== undefined && !owners.has(anonymousId))
      owners.set(anonymousId, customer)
  }
  // Whoever is known by now is a customer also in what they did before.
  const known = arrived.map((interaction): Interaction => {
    const owner = interaction.customer ?? owners.get(interaction.anonymousId ?? '')
    return owner === undefined ? interaction : { ...interaction, customer: owner }
  })
  return peopleIn(story).map((person) => {
    const own = known.filter((interaction) => personKey(personOf(interaction)) === personKey(person))
    return { person, chains: derive(person, own, story.catalogue, now) }
  })
}

function arrivedBy({ recorded }: Story, now: number): Interaction[] {
  return recorded
    .filter(({ recordedAt }) => recordedAt <= now)
    .sort((a, b) => a.recordedAt - b.recordedAt)
    .map(({ interaction }) => interaction)
}

function peopleIn({ recorded }: Story): Person[] {
  const people = recorded.map(({ interaction }) => personOf(interaction))
  return [...new Map(people.map((person) => [personKey(person), person])).values()]
}

/** The same from the real tracker: through a log, in which links are records, into rows. */
async function trackedAt(story: Story, { now }: Look): Promise<PersonChains[]> {
  const store = new MemoryStore()
  const records: LogRecord[] = []
  const append = (fact: Fact, headers: Readonly<Record<string, string>> = {}) => {
    records.push({ partition: 0, offset: records.length, timestamp: now, ...encodeFact(fact, headers) })
  }
  for (const interaction of arrivedBy(story, now)) append({ kind: 'interaction', interaction })
  append({ kind: 'tick', tick: now })
  const tracker = await PartitionTracker.open(
    {
      ...{ store: trackerStoreOf(store), partition: 0, catalogue: story.catalogue },
      topic: { topic: 'interactions', partitions: 1, identity: 'log' },
      ...{ customerLimit: 1_000, cacheLimit: () => 1_000, flushRows: 10, slice: 10, watchBeyond: 10 },
      putAside: async () => {},
      follow: async (following) => {
        for (const { fact, headers } of following) append(fact, headers)
      },
    },
    0,
  )
  while (tracker.position.offset < records.length) {
    await tracker.take(records.slice(tracker.position.offset))
    await tracker.settle()
  }
  return peopleIn(story).map((person) => ({ person, chains: store.customers.get(personKey(person))?.chains ?? [] }))
}
