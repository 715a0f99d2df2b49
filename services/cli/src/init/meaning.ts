import type { Actor, Outcome, Reaction } from '@weaklink/interactions'
import { phrases, wordsOf } from './words.ts'

/** What the name of a touchpoint says about it, in English, Russian, Spanish, German and Chinese. */
export interface Meaning {
  readonly outcome?: Exclude<Outcome, 'continued'>
  readonly reaction?: Reaction
  /** It says what happened, not where. */
  readonly result: boolean
  readonly by?: Actor
  /** Something that waits for the customer's answer, as a quote does. */
  readonly awaitsAnswer: boolean
  /** It sounds like what comes after a sale; only the data can tell. */
  readonly afterSale: boolean
  /** It sounds like what the company noted down ("thinking"), rather than like a place; only a person can tell. */
  readonly maybeNote: boolean
}

const BOUGHT = phrases(`
    purchase, purchased, bought, =sale, =sold, order completed, order complete, order placed,
    order paid, order confirmed, order success*, completed order, placed order, payment success*,
    payment succeeded, payment complete*, payment received, successful payment, checkout complete*,
    checkout success*, contract signed, signed contract, subscription started, subscription created,
    subscription activated, transaction complete*, =conversion, =converted, договор подписан*,
    договор заключен*, подписан договор, подписание договора, продажа, продано, куплен*, покупка,
    заказ оформлен, успешная оплата, оплата прошла, оплата получена, оплата успешна, =compra,
    compra realizada, compra completada, comprado, venta, vendido, pago completado, pago exitoso,
    pago realizado, contrato firmado, pedido confirmado, pedido completado, =kauf, gekauft, verkauft,
    verkauf, vertrag unterschrieben, vertrag unterzeichnet, bestellung abgeschlossen,
    bestellung aufgegeben, zahlung erfolgreich, 购买成功, =购买, 付款成功, 支付成功, 成交, 签约, 合同签署, 下单成功, 购买`)

/** They too say that somebody bought, as a note of the CRM does. */
const BOUGHT_STATE = phrases(`
    =paid, paid, won, оплачен*, успешно реализован*, =реализовано, сделка выиграна, выигран*,
    закрыта успешно, закрыто успешно, успешно закрыт*, сделка успешн*, успешная сделка, =успех, купил*, успешно завершен*, pagado, pagada, ganado,
    ganada, bezahlt, gewonnen, 已付款, 已支付, 赢单, 已成交`)

/** Words beside which the ones above do not mean a purchase: not yet, not quite, or not at all. */
const NOT_BOUGHT = phrases(`
    not, no, non, un, fail*, error*, bug, declin*, cancel*, abandon*, refund*, return*, lost, pending,
    await*, waiting, start*, begin, began, initiat*, attempt*, intent*, click*, button, history,
    details, detail, options, option, guide, info, request*, form, review*, survey, partially, search,
    ad, ads, social, post, after, before, pre, reminder*, email*, sms, confirmation email, не, нет,
    ожида*, ждет, ошибк*, отмен*, отказ*, возврат*, частично, после, до, повторн*, напоминан*, sin,
    pendiente, error, cancelad*, nicht, offen, fehler, fehlgeschlagen, 未, 待, 取消, 失败, 退`)

const REFUSED = phrases(`
    refused, refusal, refuse, declined, decline, rejected, reject, rejection, lost, cancelled, canceled,
    =cancel, cancellation, churned, not interested, disqualified, closed not realized, отказ, отказал*,
    отказан*, не реализован*, проигран*, отклонен*, отменен*, отмена, потерян*, не купил*, провален*, =провал, некачественн*, неуспешн*,
    rechazado, rechazada, rechazo, cancelado, cancelada, cancelacion, perdido, perdida, abgelehnt,
    ablehnung, verloren, storniert, absage, 拒绝, 取消, 流失, 丢单, 输单, 战败`)
const NOT_REFUSED = phrases('lost password, policy, click*, page, info, button, cookie*, consent')

/** A refusal at these is one at a place: a card that was declined. */
const PAYING = phrases('payment, card, checkout, оплат*, платеж*, карт*, pago, tarjeta, zahlung, karte, 支付, 付款')

const TAKEN_BACK = phrases(`
    refund*, returned, =return, product return, order return, chargeback, возврат*, devolucion,
    reembolso, ruckgabe, retoure, erstattung, 退货, 退款`)
const NOT_TAKEN_BACK = phrases('policy, info, page, visit, customer, user, условия')

const ABANDONED = phrases(`
    abandon*, hung up, no answer, missed call, брошен*, пропущен*, не отвечен*, нет ответа, abandonad*,
    abgebrochen, 放弃, 未接`)

const NEGATIVE = phrases(`
    error*, bug, fail*, problem*, complain*, ошибк*, сбой, жалоб*, проблем*, queja, fallo, fehler,
    fehlgeschlagen, beschwerde, reklamation, 错误, 失败, 投诉`)

const MESSAGE = phrases(`
    newsletter*, mailing, =email, =e mail, =mail, sms, push, reminder, notification, email campaign,
    рассылк*, смс, пуш, уведомлени*, напоминани*, =письмо, boletin, notificacion, recordatorio,
    benachrichtigung, erinnerung, 短信, 邮件, 推送, 通知`)
const SENT = phrases(`
    sent, отправлен*, выслан*, отправка, выставлен*, enviado, enviada, gesendet, versendet, verschickt,
    已发送, 已发`)
const NOT_COMPANY = phrases(`
    open*, click*, read, repl*, received, answer*, signup, sign, subscribe*, unsubscribe*, form,
    request*, settings, заявка, открыт*, клик*, прочитан*, ответ*, подписк*, отписк*, abierto, geoffnet,
    打开, 点击`)

const QUOTE = phrases(`
    quote, quotation, offer, proposal, estimate, кп, коммерческо*, предложени*, смет*, счет, договор,
    contract, invoice, presupuesto, propuesta, angebot, 报价, 方案`)

const AFTER_SALE = phrases(`
    deliver*, shipped, review*, feedback, survey, nps, warranty, after sale*, post purchase, thank you,
    доставк*, доставлен*, отгруж*, отзыв*, гаранти*, спасибо, entrega, entregad*, resena, garantia,
    lieferung, geliefert, versandt, bewertung, 发货, 配送, 收货, 评价, 售后`)

/** States of mind, and of work: nobody meets anybody there. */
const NOTE = phrases(`
    thinking, =thinks*, undecided, pending, on hold, =hold, in progress, in process, in work,
    =working, =waiting, =paused, postponed, deferred, call later, call back later, contact later,
    follow up later, думает, думают, подумает, раздумыва*, размышля*, в работ*, в процессе, отложен*,
    на паузе, =пауза, приостановлен*, заморожен*, =ожидание, =ожидает, =ждет, =ждем, на рассмотрении,
    перезвонить позже, pensando*, en espera, =pendiente, aplazad*, pospuest*, en proceso, en curso,
    uberlegt, in bearbeitung, in arbeit, zuruckgestellt, verschoben, pausiert, =wartend, =offen,
    考虑, 跟进中, 进行中, 处理中, 暂缓, 搁置, 待定`)

/** @param states whether the column holds states (a CRM's stages) rather than events */
export function meaningOf(name: string, states: boolean): Meaning {
  const words = wordsOf(name)
  const nothing = { result: false, awaitsAnswer: false, afterSale: false, maybeNote: false }
  if (TAKEN_BACK.test(words) && !NOT_TAKEN_BACK.test(words)) {
    return { ...nothing, outcome: 'refused', result: true, afterSale: true }
  }
  if (!NOT_BOUGHT.test(words)) {
    // As an event of a site, `order_paid` happens where the customer pays.
    if (BOUGHT_STATE.test(words)) return { ...nothing, outcome: 'bought', result: states }
    if (BOUGHT.test(words)) return { ...nothing, outcome: 'bought' }
  }
  if (REFUSED.test(words) && !NOT_REFUSED.test(words)) {
    return { ...nothing, outcome: 'refused', result: !PAYING.test(words) }
  }
  const afterSale = AFTER_SALE.test(words)
  if ((MESSAGE.test(words) || SENT.test(words)) && !NOT_COMPANY.test(words)) {
    return { ...nothing, by: 'company', awaitsAnswer: QUOTE.test(words), afterSale }
  }
  if (ABANDONED.test(words)) return { ...nothing, outcome: 'abandoned' }
  if (NEGATIVE.test(words)) return { ...nothing, reaction: 'negative', afterSale }
  // A payment that is pending is still at the payment.
  return { ...nothing, afterSale, maybeNote: NOTE.test(words) && !PAYING.test(words) }
}

/** How a phone system says that a call ended, and what that makes of it. */
const CALL_ENDS: readonly (readonly [touchpoint: string, outcome: 'abandoned' | undefined, names: RegExp])[] = [
  [
    'call_wait',
    'abandoned',
    phrases(`
    =no answer, =noanswer, =not answered, =unanswered, =abandon, =abandoned, =missed, =cancel,
    =ringnoanswer, =exitwithtimeout, =exitempty, =timeout, =не отвечен*, =неотвечен*, =нет ответа,
    =пропущен*, =не принят*, =сброшен*, =no contestada, =perdida, =verpasst, =未接, =未接听`),
  ],
  [
    'call_queue',
    'abandoned',
    phrases('=busy, =failed, =congestion, =chanunavail, =занято, =ошибка, =ocupado, =besetzt, =忙'),
  ],
  [
    'call_answer',
    undefined,
    phrases(`
    =answered, =answer, =connect, =connected, =complete, =completed, =completeagent, =completecaller,
    =отвечен*, =принят*, =разговор, =успешный, =contestada, =angenommen, =已接, =已接听`),
  ],
]

export interface CallEnd {
  readonly touchpoint: string
  readonly outcome?: 'abandoned'
}

/** What this value of a phone system's status means; undefined where it is no such value. */
export function callEndOf(value: string): CallEnd | undefined {
  const words = wordsOf(value)
  const [touchpoint, outcome] = CALL_ENDS.find(([, , names]) => names.test(words)) ?? []
  if (touchpoint === undefined) return undefined
  return { touchpoint, ...(outcome === undefined ? {} : { outcome }) }
}
