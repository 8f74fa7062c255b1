"""Spanish sentences: grammatical, mostly nonsense, three to five seconds long."""

GLUE, END = " ", "."
LENGTH = (26, 52)
"""Letters of a sentence, at least and at most."""

WORDS = {
    "HE": """panadero médico granjero pintor cantante abogado carnicero soldado piloto bailarín escritor sastre
        camarero barbero cazador juez rey capitán químico dentista ingeniero jardinero gigante abuelo conserje
        caballero mago alcalde mecánico músico vecino primo pirata poeta portero profesor guardia científico
        escultor pastor ladrón viajero hijo""",
    "SHE": """maestra enfermera reina cocinera pianista hermana abuela vecina prima jardinera escultora doctora
        pintora cantora princesa bruja niña señora tía hija azafata peluquera costurera panadera campesina jueza""",
    "NAME": """Alejandro Beatriz Carmen Daniel Elena Fernando Gabriela Hugo Inés Javier Julia Lucía Manuel
        Mónica Nicolás Óscar Pilar Quique Rafael Sofía Teresa Víctor Ximena Yolanda Ignacio Guillermo Begoña
        Íñigo""",
    "BEAST_M": """búho burro caballo cangrejo cocodrilo conejo delfín elefante gato lagarto león mono mosquito
        pájaro perro pingüino ratón tiburón tigre zorro""",
    "BEAST_F": "ballena cabra cigüeña gallina hormiga jirafa llama oveja pantera rana serpiente tortuga vaca",
    "THING_M": """anillo balón barco bastón bolso botón cajón carro cepillo cinturón cuadro cuaderno cuchillo
        espejo guante jabón jarrón juguete lápiz libro mantel martillo paraguas peine piano reloj sillón
        sombrero tambor teléfono tenedor tren vaso vestido violín zapato pañuelo""",
    "THING_F": """alfombra almohada bandera bicicleta bolsa botella bufanda caja cámara campana carta corbata
        cuchara cuerda escalera escoba flauta guitarra joya lámpara llave maleta manta mesa moneda muñeca navaja
        olla pelota pluma puerta radio silla sortija taza tijera toalla trompeta vela ventana""",
    "PLURAL": """manzanas naranjas peras fresas cerezas uvas zanahorias cebollas lechugas galletas castañas
        aceitunas flores piedras hojas plumas cartas llaves monedas velas tazas cajas lámparas""",
    "NUMBER": """dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince veinte treinta
        cuarenta cincuenta sesenta setenta ochenta noventa cien""",
    "KIND_M": """amarillo antiguo azul barato blanco brillante caro cuadrado dorado elegante enorme extraño
        frágil grande hermoso limpio negro nuevo pequeño pesado precioso redondo rojo roto sucio verde viejo""",
    "KIND_F": """amarilla antigua azul barata blanca brillante cara cuadrada dorada elegante enorme extraña
        frágil grande hermosa limpia negra nueva pequeña pesada preciosa redonda roja rota sucia verde vieja""",
    "PLACE": """el_mercado el_jardín el_castillo el_bosque el_desierto el_puerto el_museo el_hospital el_palacio
        el_teatro el_puente el_sótano el_valle el_volcán el_colegio la_biblioteca la_cocina la_cueva la_fábrica
        la_granja la_iglesia la_isla la_montaña la_oficina la_playa la_plaza la_prisión la_selva la_tienda
        la_torre la_universidad la_villa""",
    "DID": """abrió admiró arregló buscó cambió compró copió cubrió dejó dibujó encontró escondió examinó ganó
        guardó imaginó lanzó lavó levantó limpió llevó midió movió olvidó pidió pintó prestó quemó quitó recogió
        regaló rompió sacudió tocó tiró trajo usó vendió vigiló""",
    "WENT": """bailó bajó caminó corrió durmió entró esperó gritó huyó llegó lloró nadó saltó salió subió
        tropezó viajó voló volvió""",
    "HOW": """alegremente despacio fácilmente felizmente lentamente rápidamente silenciosamente suavemente
        tranquilamente tristemente valientemente""",
    "WHEN": """ayer anoche el_lunes el_martes el_miércoles el_jueves el_viernes el_sábado el_domingo en_enero
        en_febrero en_abril en_julio en_agosto en_octubre en_diciembre por_la_mañana por_la_tarde
        antes_de_la_cena después_del_desayuno cada_verano cada_invierno""",
}
"""Words by class; `_` stands for a space."""

PHRASES = {
    "WHO": ["el HE", "la SHE", "NAME", "el HE KIND_M", "la SHE KIND_F"],
    "CREATURE": ["el BEAST_M", "la BEAST_F", "el BEAST_M KIND_M", "la BEAST_F KIND_F"],
    "WHAT": ["el THING_M", "la THING_F", "un THING_M KIND_M", "una THING_F KIND_F", "NUMBER PLURAL"],
    "WHERE": ["cerca de PLACE", "detrás de PLACE", "hacia PLACE", "en PLACE", "delante de PLACE"],
}
CONTRACTED = {"de el ": "del "}

SENTENCES = [
    "WHO DID WHAT WHERE",
    "WHO DID WHAT HOW",
    "WHEN, WHO DID WHAT",
    "WHEN, WHO DID WHAT WHERE",
    "CREATURE WENT WHERE, y WHO DID WHAT",
    "CREATURE WENT HOW WHERE",
    "WHO, cerca de PLACE, DID WHAT",
    "mientras CREATURE WENT, WHO DID WHAT",
    "WHO DID WHAT, pero CREATURE WENT HOW",
    "WHERE, WHO DID WHAT y WHAT",
]
