import { createHash } from 'node:crypto'
import type { Actor, Outcome, Reaction } from '@weaklink/interactions'

export const STAGES = ['awareness', 'research', 'comparison', 'decision', 'purchase', 'post_purchase'] as const
export type Stage = (typeof STAGES)[number]

/** One touchpoint of the catalogue; what the file leaves out is absent. Durations are milliseconds. */
export interface Touchpoint {
  readonly id: string
  readonly name?: Readonly<Record<string, string>>
  readonly group?: string
  readonly channel?: string
  readonly by?: Actor
  readonly step?: number
  readonly stage?: Stage
  readonly attention?: 'short' | 'long'
  readonly life?: 'once' | 'repeating'
  readonly outcome?: Outcome
  readonly reaction?: Reaction
  readonly result?: boolean
  readonly patienceMs?: number
  readonly epilogueMs?: number
  readonly expectedWaitMs?: number
  readonly importance?: number
  readonly owner?: string
  readonly next?: readonly string[]
}

export interface Catalogue {
  /** Of the content (not the layout of the file): equal catalogues have equal hashes. 32 hex digits. */
  readonly hash: string
  /** 30 days where the file says nothing. */
  readonly patienceMs: number
  /** 5 minutes where the file says nothing. */
  readonly epilogueMs: number
  /** By id, sorted by id. */
  readonly touchpoints: ReadonlyMap<string, Touchpoint>
}

/** What a catalogue consists of; the order of touchpoints does not matter. */
export interface CatalogueContent {
  readonly patienceMs: number
  readonly epilogueMs: number
  readonly touchpoints: readonly Touchpoint[]
}

/** The catalogue of this content. The ids of its touchpoints are distinct: whoever calls has checked that. */
export function catalogueOf(content: CatalogueContent): Catalogue {
  const sorted = [...content.touchpoints].sort((a, b) => (a.id < b.id ? -1 : 1))
  const catalogue = {
    patienceMs: content.patienceMs,
    epilogueMs: content.epilogueMs,
    touchpoints: new Map(sorted.map((touchpoint) => [touchpoint.id, touchpoint])),
  }
  return { hash: createHash('sha256').update(contentOf(catalogue)).digest('hex').slice(0, 32), ...catalogue }
}

/** The content of a catalogue as canonical JSON: equal catalogues have equal texts. This is what the hash is of. */
export function contentOf(catalogue: Omit<Catalogue, 'hash'>): string {
  const content: CatalogueContent = {
    patienceMs: catalogue.patienceMs,
    epilogueMs: catalogue.epilogueMs,
    touchpoints: [...catalogue.touchpoints.values()],
  }
  return JSON.stringify(content, (_, value) => (isMap(value) ? withSortedKeys(value) : value))
}

/** The catalogue that `contentOf` wrote. Only our own text comes here, so it is not validated again. */
export function catalogueFromContent(text: string): Catalogue {
  return catalogueOf(JSON.parse(text) as CatalogueContent)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withSortedKeys(map: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}
