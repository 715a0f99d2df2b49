import type { BreakpointsReport, ChainsReport, CustomerReport, TouchpointsReport } from '@weaklink/reports'
import REPORTS from './report-examples.json' with { type: 'json' }

/** Answers for the description: a clinic in March, of whose callers one hung up for good. */

const AS_OF = '2024-04-10T00:00:00.000Z'

const BREAKPOINTS: BreakpointsReport = {
  asOf: AS_OF,
  refreshedAt: null,
  from: null,
  to: null,
  date: 'start',
  at: 'place',
  within: null,
  settledThrough: '2024-03-31',
  olderCatalogue: 0,
  totals: {
    customers: 2,
    chains: 2,
    open: 0,
    atRisk: 0,
    converted: 1,
    reversed: 0,
    complained: 0,
    broken: 1,
    ignored: 0,
    returned: 0,
    returnedAndBought: 0,
  },
  groups: [
    {
      by: {},
      breakpoints: [
        {
          touchpoint: 'call_wait',
          interactions: 3,
          reached: 2,
          passed: 1,
          convertedHere: 0,
          openHere: 0,
          ignoredHere: 0,
          broke: 1,
          breakRate: 0.5,
          expectedBroke: 0.4,
          excess: 0.6,
          shareOfBreaks: 1,
          returned: 0,
          reasons: { refused: 0, abandoned: 1, dissatisfied: 0, silence: 0 },
          recovered: 1,
          waitMs: { p50: 40_000, p95: 95_000 },
        },
      ],
    },
  ],
}

const BORIS = {
  id: '5d2f0c9b8a7e4d1f',
  ordinal: 1,
  state: 'broken',
  reason: 'abandoned',
  place: 'call_wait',
  furthest: 'call_wait',
  atRisk: false,
  startedAt: '2024-03-04T11:00:00.000Z',
  lastAt: '2024-03-04T11:02:00.000Z',
  closedAt: '2024-04-03T11:02:00.000Z',
  staff: 0,
} as const

const CHAINS: ChainsReport = {
  asOf: AS_OF,
  chains: [
    {
      ...BORIS,
      kind: 'customer',
      customer: 'boris',
      touches: 2,
      path: [
        { touchpoint: 'ad_view', times: 1 },
        { touchpoint: 'call_wait', times: 1 },
      ],
    },
  ],
  next: null,
}

const MET = {
  by: 'customer',
  epilogue: false,
  place: true,
  order: null,
  durationMs: null,
  value: null,
  cost: null,
  currency: null,
  campaign: null,
  queue: null,
  agent: null,
  props: {},
} as const

export const CUSTOMER: CustomerReport = {
  asOf: AS_OF,
  customer: 'boris',
  people: [
    {
      kind: 'customer',
      customer: 'boris',
      movedTo: null,
      anonymousIds: ['cookie-1'],
      chains: [
        {
          ...BORIS,
          previous: null,
          placeIndex: 1,
          deadline: null,
          reversed: false,
          complained: false,
          returned: false,
          returnedAndBought: false,
          recovered: [],
          brokenEpisode: 'call-1',
          interactions: [
            {
              ...MET,
              id: 'boris-1',
              touchpoint: 'ad_view',
              at: '2024-03-04T11:00:00.000Z',
              outcome: 'continued',
              reaction: 'neutral',
              episode: null,
              waitMs: null,
              channel: 'search',
            },
            {
              ...MET,
              id: 'boris-2',
              touchpoint: 'call_wait',
              at: '2024-03-04T11:02:00.000Z',
              outcome: 'abandoned',
              reaction: 'negative',
              episode: 'call-1',
              waitMs: 95_000,
              channel: 'phone',
            },
          ],
          episodes: [
            {
              id: 'call-1',
              group: 'phone',
              startedAt: '2024-03-04T11:02:00.000Z',
              endedAt: '2024-03-04T11:02:00.000Z',
              interactions: 1,
              waitMs: 95_000,
              broke: true,
              brokeAt: 'call_wait',
            },
          ],
        },
      ],
    },
  ],
}

export const TOUCHPOINTS: TouchpointsReport = {
  hash: '0f3c5a7e9b1d2f4a6c8e0a1b3c5d7f90',
  patienceMs: 2_592_000_000,
  epilogueMs: 300_000,
  touchpoints: [
    {
      id: 'call_wait',
      name: { en: 'Waiting on the phone' },
      group: 'phone',
      channel: 'phone',
      step: 3,
      patienceMs: 86_400_000,
      expectedWaitMs: 20_000,
      interactions: 3,
    },
  ],
  uncatalogued: [{ touchpoint: 'fax', interactions: 1 }],
}

/** By the name of the report. That of weak-links is of a shop. */
export const EXAMPLES: Readonly<Record<string, object>> = { ...REPORTS, breakpoints: BREAKPOINTS, chains: CHAINS }
