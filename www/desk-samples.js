// Messages to click, written for this page: none of them is among the texts that the model is evaluated with.

/** @typedef {keyof typeof import("./tabmind.js").tasks} TaskName */
/** @typedef {{ task: TaskName, name: string, text: string }} Sample */

/** @type {Sample[]} */
export const SAMPLES = [
  {
    task: "ticket",
    name: "A printer",
    text: "Hello,\nthe printer PRN-0182 on the second floor only prints blank pages since this morning. We need the contracts by 3 pm.\nThanks,\nMaria Lopez",
  },
  {
    task: "ticket",
    name: "A locked account",
    text: "Hi team, my email account is locked after I changed the password. Could somebody reset it? No hurry, tomorrow is fine.\nTom Becker",
  },
  {
    task: "ticket",
    name: "A strange link",
    text: "URGENT: a colleague in accounting clicked a link in a strange email and typed in her password. Please call us now, we are in room 214.\nPriya Nair",
  },
  {
    task: "ticket",
    name: "A laptop",
    text: "my laptop LT-30417 shuts down whenever i unplug the charger. i am in the Leeds office and need it by friday",
  },
  {
    task: "invoice",
    name: "An invoice",
    text: "Harbour Office Supplies Ltd\n18 Quay Street, Bristol BS1 4QA\n\nINVOICE\nInvoice No: INV-7731\nInvoice date: 12/06/2026\nDue date: 12/07/2026\n\n4 x Desk lamp            £96.00\n2 x Monitor arm         £138.00\n\nSubtotal                £234.00\nVAT 20%                  £46.80\nTotal due               £280.80",
  },
  {
    task: "invoice",
    name: "A receipt",
    text: "Brasserie du Port\n3 quai Nord, 29200 Brest\nTicket 004417   03/09/2026 13:12\n\n2 x Menu du jour    37,00\n1 x Carafe           6,50\n2 x Café             4,40\n\nTOTAL EUR           47,90\nCB **** 2208",
  },
  {
    task: "invoice",
    name: "Eine Rechnung",
    text: "Tischlerei Brandt GmbH\nGartenweg 7, 50667 Köln\n\nRechnung Nr. 2026-118\nDatum: 21.04.2026\nZahlbar bis: 05.05.2026\n\nRegal nach Maß          840,00 EUR\nMontage                 160,00 EUR\n\nNetto                 1.000,00 EUR\nMwSt. 19 %              190,00 EUR\nGesamt                1.190,00 EUR",
  },
];
