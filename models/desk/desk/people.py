"""Names of people and places of many cultures, and names that nobody bears.

A model of a few million parameters learns a list of names by heart if it can. Invented names, put together from
syllables, leave it no choice but to find a name by its place in the sentence and to copy it letter by letter.
"""

GIVEN = """
Adaeze Aditi Agnieszka Ahmed Aiko Akua Alejandro Alice Aliya Amara Amir Amit Anaïs Andrzej Anna Antonio Anya Arjun Asha Astrid
Ayla Babak Bao Barbara Beate Benedikt Bianca Björn Brigitte Camila Carlos Caroline Cem Charlotte Chidi Chloe Claudio Colm Cristina
Dagmar Deepa Denis Dmitri Dominik Ebba Edwin Eleni Elif Elisa Emeka Emil Erika Esther Eva Farid Felix Femi Fernanda Finn Florian
Francesca Frank Gabriel Georgios Gergő Giulia Goran Gustav Haruto Hassan Hedda Hélène Henrik Hugo Ibrahim Ida Igor Imran Ingrid Irina
Isabel Ivan Jacek Jamal James Jana Jasmine Javier Jelena Jin Joanna Johan Jorge José Jürgen Kaito Karin Kavita Keiko Kerstin Khadija
Kofi Krzysztof Lars Laszlo Laura Leon Lien Linda Lotte Luca Ludmila Luis Magda Mahmoud Maja Malik Manuel Marco Margaret Maria Marta
Mateusz Maya Mei Michael Miguel Milan Mina Miriam Mohammed Monika Musa Nadine Naomi Natalia Nikhil Nikola Nina Nora Oleg Olga Omar
Oscar Paolo Parisa Paul Pavel Pedro Petra Philippa Pooja Rafael Rajesh Ravi Reza Rina Robert Rohan Roza Ruth Sabine Salma Sandro Sanjay
Sara Sean Selma Sergei Shanice Simon Siti Søren Stella Susan Tamar Tanja Tariq Teresa Thandiwe Thomas Tobias Tuan Ulrike Valentina
Vera Viktor Vlad Wanjiru Willem Xavier Xiu Yara Yasmin Yelena Yuki Zainab Zeynep Zoe
""".split()

FAMILY = """
Abara Abdi Achterberg Ahmadi Akhtar Alonso Amoah Andersson Antonov Arslan Baker Banerjee Barbieri Bauer Becker Bello Benali Berg Bianco
Blom Bondarenko Bose Brown Bruun Castillo Cermak Chatterjee Chen Chukwu Clarke Cohen Costa Cruz Dahl Danjuma Das Delgado Demirci Diallo
Dimitrov Dubois Duarte Eriksen Esposito Evans Farouk Fernandes Fischer Fontaine Fujimoto Garcia Gill Goldberg Gonzalez Grant Greco Gupta
Haas Hakimi Hansen Hartley Hernandez Hoang Hoffmann Horvat Hughes Hussein Ibarra Iyer Jackson Jansen Jensen Johansson Jones Jovanovic
Kaplan Karlsson Kato Kaya Khalil Kim Klein Kobayashi Kowalczyk Kumar Kurz Lam Laurent Lee Lehmann Leroy Lewandowska Lim Lopes Lund Maier
Malik Mancini Martin Mazur Mbatha Mehta Mendes Meyer Miller Molina Moreau Morgan Morris Müller Murphy Nagy Nakamura Ndlovu Nelson Nguyen
Nielsen Nowak Nwosu Obi Ochieng O'Connor Okafor Okoye Olsen Osei Otieno Özkan Palmer Papadopoulos Park Pavlov Pereira Petersen Pham Popescu
Quinn Rahimi Ramirez Rao Reid Richter Rivera Rossi Roy Sato Schmidt Schneider Shah Sharma Silva Singh Smith Sokolov Steiner Suzuki
Svoboda Takahashi Taylor Thompson Torres Tran Turner Ueda Usman Vargas Varga Vasquez Virtanen Visser Walker Wang Weber Williams Wilson
Wong Wright Yamamoto Yang Yilmaz Zhao Zhou Ziegler
""".split()

TOWNS = """
Aarhus Accra Almaty Amsterdam Ankara Antwerp Atlanta Austin Bangalore Barcelona Basel Belfast Bergen Berlin Bogotá Bologna Boston Bratislava
Brussels Bucharest Budapest Cairo Calgary Cardiff Casablanca Chennai Chicago Cologne Copenhagen Cork Dakar Dallas Delhi Denver Dresden Dubai
Dublin Edinburgh Eindhoven Florence Frankfurt Gdańsk Geneva Ghent Glasgow Graz Hamburg Hanoi Helsinki Houston Istanbul Jakarta Johannesburg
Kampala Karachi Kraków Kyoto Lagos Lima Linz Lisbon Liverpool Ljubljana London Lyon Madrid Malmö Manchester Manila Marseille Melbourne Milan
Montreal Munich Nairobi Nantes Naples Odessa Osaka Oslo Ottawa Palermo Paris Perth Porto Prague Pune Quito Riga Rome Salzburg Santiago Seattle
Seoul Seville Sofia Stockholm Stuttgart Sydney Tallinn Tampere Tokyo Toronto Toulouse Turin Valencia Vancouver Vienna Vilnius Warsaw
Wellington Zagreb Zurich
""".split()

_ONSETS = "b c d f g h j k l m n p r s t v w z br ch dr gr kr sh st th tr kh vl ny".split()
_VOWELS = "a a a e e i i o o u ai ei ia ou ö é".split()
_CODAS = ["", "", "", "n", "r", "s", "l", "m", "k", "sh", "nd", "rt", "tz"]


def invented(rng, low: int = 2, high: int = 3) -> str:
    """A name that nobody bears, of so many syllables."""
    parts = []
    for _ in range(rng.randint(low, high)):
        parts.append(rng.choice(_ONSETS) + rng.choice(_VOWELS))
    return ("".join(parts) + rng.choice(_CODAS)).capitalize()


def given(rng, grammar) -> str:
    """A first name."""
    name = invented(rng) if rng.random() < 0.3 else grammar.pick(rng, "given")
    return name + "-" + grammar.pick(rng, "given") if rng.random() < 0.02 else name


def family(rng, grammar) -> str:
    """A family name, sometimes with what stands before one."""
    name = invented(rng) if rng.random() < 0.35 else grammar.pick(rng, "family")
    draw = rng.random()
    if draw < 0.04:
        return rng.choice(["van ", "van der ", "de ", "da ", "von ", "el ", "Al ", "dos ", "Mc", "Ben "]) + name
    if draw < 0.07:
        return f"{name}-{grammar.pick(rng, 'family')}"
    return name


def full_name(rng, grammar) -> str:
    """As people sign: mostly both names, some with an initial or a title."""
    first, last, draw = given(rng, grammar), family(rng, grammar), rng.random()
    if draw < 0.86:
        return f"{first} {last}"
    if draw < 0.91:
        return f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    if draw < 0.95:
        return f"{rng.choice(['Dr. ', 'Prof. ', 'Dr ', 'Mrs. ', 'Mr. ', 'Ms '])}{first} {last}"
    if draw < 0.97:
        return f"{first[0]}. {last}"
    return f"{first} {invented(rng)} {last}"


def town(rng, grammar) -> str:
    """A town, some of them invented."""
    return invented(rng) if rng.random() < 0.25 else grammar.pick(rng, "town")


LEXICON = {"given": GIVEN, "family": FAMILY, "town": TOWNS}
OPEN_POOLS = {"given", "family", "town"}
