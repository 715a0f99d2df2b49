import { fileURLToPath } from 'node:url'
import { type Catalogue, type Chain, contentOf } from '@weaklink/chains'
import { migrate, type Store } from '@weaklink/clickhouse'
import type { PersonChains } from './naive.ts'

/** Chains as rows of the tables, for tests: what the tracker writes, by way of JSON. */

export async function createTables(store: Store): Promise<void> {
  await migrate(store, fileURLToPath(new URL('../../clickhouse/migrations', import.meta.url)))
}

/** Replaces everything that is stored. */
export async function storeAll(
  store: Store,
  catalogue: Catalogue,
  tick: number | null,
  people: readonly PersonChains[],
): Promise<void> {
  for (const table of ['customer_chains', 'positions', 'catalogues']) await store.command(`TRUNCATE TABLE ${table}`)
  await insertRows(store, 'catalogues', [{ hash: catalogue.hash, content: contentOf(catalogue) }])
  await storePeople(store, catalogue.hash, people, 1)
  const counts = { accepted: 0, duplicates: 0, conflicts: 0, rejected: 0, newestAt: null, imports: [] }
  const position = { partition: 0, epoch: 1, logIdentity: 'log', offset: 1, catalogue: catalogue.hash }
  await insertRows(store, 'positions', [{ ...position, ...counts, tick: iso(tick) }])
}

export async function storePeople(
  store: Store,
  catalogue: string,
  people: readonly PersonChains[],
  version: number,
): Promise<void> {
  const rows = people.map(({ person, chains }) => ({
    kind: person.kind,
    customer: person.customer,
    partition: 0,
    version,
    catalogue,
    nextDeadline: null,
    chains: chains.map(chainRow),
  }))
  await insertRows(store, 'customer_chains', rows)
}

/** Reads while more and more customers with the chains of these people are written, and after each lot `then` is done. */
export async function whileWriting(
  store: Store,
  catalogue: Catalogue,
  people: readonly PersonChains[],
  read: () => Promise<void>,
  then: () => Promise<void> = async () => {},
): Promise<void> {
  let over = false
  const writer = (async () => {
    for (let round = 0; !over; round++) {
      const others = people.map(({ chains }, index) => ({
        person: { kind: 'customer', customer: `${index}-${round}` } as const,
        chains,
      }))
      await storePeople(store, catalogue.hash, others, 1)
      await then()
    }
  })()
  try {
    await read()
  } finally {
    over = true
    await writer
  }
}

async function insertRows(store: Store, table: string, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return
  await store.command(`INSERT INTO ${table} FORMAT JSONEachRow ${rows.map((row) => JSON.stringify(row)).join('\n')}`)
}

function chainRow(chain: Chain): object {
  return {
    ...chain,
    previous: chain.previous ?? '',
    reason: chain.reason ?? '',
    placeIndex: chain.placeIndex + 1,
    startedAt: iso(chain.startedAt),
    lastAt: iso(chain.lastAt),
    closedAt: iso(chain.closedAt),
    deadline: iso(chain.deadline),
    brokenEpisode: chain.brokenEpisode ?? '',
    interactions: chain.interactions.map(({ interaction, by, outcome, reaction, epilogue, place }) => ({
      id: interaction.id,
      touchpoint: interaction.touchpoint,
      at: iso(interaction.at),
      by,
      outcome,
      reaction,
      epilogue,
      place,
      episode: interaction.episode ?? '',
      order: interaction.order ?? '',
      waitMs: interaction.waitMs ?? null,
      durationMs: interaction.durationMs ?? null,
      value: interaction.value ?? null,
      cost: interaction.cost ?? null,
      currency: interaction.currency ?? '',
      channel: interaction.channel ?? '',
      campaign: interaction.campaign ?? '',
      queue: interaction.queue ?? '',
      agent: interaction.agent ?? '',
      props: interaction.props === undefined ? '' : JSON.stringify(interaction.props),
    })),
    episodes: chain.episodes.map((episode) => ({
      ...episode,
      group: episode.group ?? '',
      startedAt: iso(episode.startedAt),
      endedAt: iso(episode.endedAt),
      brokeAt: episode.brokeAt ?? '',
    })),
  }
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
